#!/usr/bin/env bash
# Usage: install_emacs.sh DIRECTORY
#
# Puts Emacs for terminals, with Eglot, into DIRECTORY; does nothing when it is there already.
# DIRECTORY/bin/emacs is what to run.
#
# EMACS_SUITE  Debian suite to take the packages from (default: forky, which has Emacs 30).
#              Emacs has Eglot from version 29 on; for an older one it comes from a package of its own.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/unpack_debian.sh"

suite=${EMACS_SUITE:-forky}
packages=(emacs-nox)
[ "$suite" != bookworm ] || packages+=(elpa-eglot)

is_installed() {
  [ -x "$target/bin/emacs" ] && "$target/bin/emacs" -Q --batch --eval "(require 'eglot)" 2>/dev/null
}

[ $# -eq 1 ] || fail "usage: install_emacs.sh DIRECTORY"
claim "$1"
if is_installed; then exit 0; fi
unpack "$suite" "${packages[@]}"
own_libraries usr/bin/emacs-nox

# Emacs knows only the places where Debian puts its parts: it is told of these.
shopt -s nullglob
share=("$root"/usr/share/emacs/[0-9]*)
dump=("$root"/usr/libexec/emacs/*/*/emacs*.pdmp)
elpa=("$root"/usr/share/emacs/site-lisp/elpa-src/*)
[ ${#share[@]} -eq 1 ] && [ ${#dump[@]} -eq 1 ] || fail "the packages of $suite are laid out in another way"
share=$target${share[0]#"$root"}
dump=$target${dump[0]#"$root"}
load_path=$(IFS=: && echo "${elpa[*]/#"$root"/"$target"}${elpa:+:}$share/lisp")
cat >"$root/bin/emacs" <<SCRIPT
#!/bin/sh
export EMACSLOADPATH='$load_path' EMACSDATA='$share/etc' EMACSDOC='$share/etc' EMACSPATH='$(dirname "$dump")'
exec '$target/usr/bin/emacs-nox' --dump-file='$dump' "\$@"
SCRIPT
chmod +x "$root/bin/emacs"

publish
is_installed || fail "what $suite holds is no Emacs with Eglot: $("$target/bin/emacs" --version | head -n 1)"
