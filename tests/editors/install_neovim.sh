#!/usr/bin/env bash
# Usage: install_neovim.sh DIRECTORY
#
# Puts Neovim, luacheck and tmux into DIRECTORY; does nothing when they are there already.
# DIRECTORY/bin/nvim, DIRECTORY/bin/luacheck and DIRECTORY/bin/tmux are what to run.
#
# NEOVIM_SUITE   Debian suite to take the packages from (default: forky)
# NEOVIM_SERIES  first two numbers of the version that is wanted; the suite moves on (default: 0.12)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/unpack_debian.sh"

suite=${NEOVIM_SUITE:-forky}
series=${NEOVIM_SERIES:-0.12}

is_installed() {
  [ -x "$target/bin/luacheck" ] && [ -x "$target/bin/tmux" ] && [ -x "$target/bin/nvim" ] &&
    "$target/bin/nvim" --version 2>/dev/null | head -n 1 | grep -qF "NVIM v$series."
}

[ $# -eq 1 ] || fail "usage: install_neovim.sh DIRECTORY"
claim "$1"
if is_installed; then exit 0; fi
unpack "$suite" neovim lua-check tmux
# Neovim starts v:progpath again, which has to be the program and not its loader.
own_libraries usr/bin/nvim usr/bin/tmux

ln -s ../usr/bin/tmux "$root/bin/tmux"
cat >"$root/bin/nvim" <<SCRIPT
#!/bin/sh
export VIMRUNTIME='$target/usr/share/nvim/runtime'
exec '$target/usr/bin/nvim' "\$@"
SCRIPT
# luacheck runs in Neovim's own Lua, so that no other interpreter is needed.
cat >"$root/bin/luacheck" <<SCRIPT
#!/bin/sh
export LUA_PATH='$target/usr/share/lua/5.1/?.lua;$target/usr/share/lua/5.1/?/init.lua'
export LUA_CPATH='$target/$libraries/lua/5.1/?.so'
exec '$target/bin/nvim' --clean -l '$target/bin/luacheck.lua' "\$@"
SCRIPT
echo 'require("luacheck.main")' >"$root/bin/luacheck.lua"
chmod +x "$root/bin/nvim" "$root/bin/luacheck"

publish
is_installed || fail "what $suite holds is not Neovim $series: $("$target/bin/nvim" --version | head -n 1)"
