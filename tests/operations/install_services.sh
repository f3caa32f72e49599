#!/usr/bin/env bash
# Usage: install_services.sh DIRECTORY
#
# Puts Prometheus, promtool and nginx into DIRECTORY; does nothing when they are there already.
# DIRECTORY/bin/prometheus, DIRECTORY/bin/promtool and DIRECTORY/bin/nginx are what to run.
#
# SERVICES_SUITE  Debian suite to take the packages from (default: bookworm)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../editors/unpack_debian.sh"

suite=${SERVICES_SUITE:-bookworm}

is_installed() {
  [ -x "$target/bin/nginx" ] && "$target/bin/promtool" --version >/dev/null 2>&1 && "$target/bin/nginx" -v 2>/dev/null
}

[ $# -eq 1 ] || fail "usage: install_services.sh DIRECTORY"
claim "$1"
if is_installed; then exit 0; fi
unpack "$suite" prometheus nginx

# Programs written in Go do not bear a changed header: their loader is told where the libraries are.
for program in usr/bin/prometheus usr/bin/promtool usr/sbin/nginx; do
  script=$root/bin/$(basename "$program")
  cat >"$script" <<SCRIPT
#!/bin/sh
exec '$target/$libraries/ld-linux-x86-64.so.2' --library-path '$target/$libraries' '$target/$program' "\$@"
SCRIPT
  chmod +x "$script"
done
rm -rf "$root"/usr/{share,games,include} "$root"/usr/lib/{python3,systemd}

publish
is_installed || fail "what $suite holds does not run"
