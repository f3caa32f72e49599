#!/usr/bin/env bash
# Usage: install_helix.sh DIRECTORY
#
# Puts Helix into DIRECTORY; does nothing when it is there already. DIRECTORY/bin/hx is what to run.
#
# HELIX_SUITE  Debian suite to take the packages from (default: forky)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/unpack_debian.sh"

suite=${HELIX_SUITE:-forky}

is_installed() { [ -x "$target/bin/hx" ] && "$target/bin/hx" --version >/dev/null 2>&1; }

[ $# -eq 1 ] || fail "usage: install_helix.sh DIRECTORY"
claim "$1"
if is_installed; then exit 0; fi
unpack "$suite" hx
# The program in usr/bin only starts this one, at the place where Debian puts it.
own_libraries usr/lib/hx/hx
cat >"$root/bin/hx" <<SCRIPT
#!/bin/sh
export HELIX_RUNTIME='$target/usr/lib/hx/runtime'
exec '$target/usr/lib/hx/hx' "\$@"
SCRIPT
chmod +x "$root/bin/hx"

publish
is_installed || fail "what $suite holds is no Helix"
