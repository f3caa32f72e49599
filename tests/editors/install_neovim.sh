#!/usr/bin/env bash
# Usage: install_neovim.sh DIRECTORY
#
# Puts Neovim and luacheck into DIRECTORY, out of the packages of a Debian suite, without touching the system:
# no root, no maintainer scripts, libraries of their own. Does nothing when they are there already.
# DIRECTORY/bin/nvim and DIRECTORY/bin/luacheck are what to run. For Debian and its derivatives on amd64.
#
# NEOVIM_SUITE   Debian suite to take the packages from (default: forky)
# NEOVIM_SERIES  first two numbers of the version that is wanted; the suite moves on (default: 0.12)
set -euo pipefail

suite=${NEOVIM_SUITE:-forky}
series=${NEOVIM_SERIES:-0.12}
libraries=usr/lib/x86_64-linux-gnu

say() { printf 'install_neovim: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

[ $# -eq 1 ] || fail "usage: install_neovim.sh DIRECTORY"
target=$(realpath -m -- "$1")
# The path goes into an apt configuration, a shell script and the header of a program.
[[ $target =~ ^[A-Za-z0-9/._+-]+$ ]] || fail "$target: only letters, digits and . _ + - may stand in the path"
for tool in apt-get apt-config dpkg-deb flock; do
  command -v "$tool" >/dev/null || fail "$tool is missing: this needs Debian or one of its derivatives"
done
[ "$(dpkg --print-architecture)" = amd64 ] || fail "only amd64 is supported"

is_installed() {
  [ -x "$target/bin/luacheck" ] && [ -x "$target/bin/nvim" ] &&
    "$target/bin/nvim" --version 2>/dev/null | head -n 1 | grep -qF "NVIM v$series."
}

if [ -e "$target" ] && [ ! -e "$target/.packages" ]; then
  fail "$target exists and was not made by this script"
fi
mkdir -p "$(dirname "$target")"
# Two runs at once wait for each other; the second finds the work done.
exec 9>"$target.lock"
flock 9
if is_installed; then exit 0; fi

work=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# An apt with its own lists, cache and (empty) record of what is installed: it resolves everything down to libc.
archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -n "$archive" ] || fail "apt knows no package archive"
[ -r "$keyring" ] || fail "$keyring is missing: install debian-archive-keyring"
mkdir -p "$work"/apt/{lists/partial,cache/archives/partial,parts}
: >"$work/apt/status"
echo "deb [arch=amd64 signed-by=$keyring] $archive $suite main" >"$work/apt/sources.list"
{
  # How this machine reaches the archive (proxy, certificates) holds here too.
  apt-config dump | grep -E '^Acquire::(https?|Check-Valid-Until|ForceIPv)' || true
  cat <<SETTINGS
Dir::Etc::Main "$work/apt/none";
Dir::Etc::Parts "$work/apt/parts";
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "$work/apt/parts";
Dir::Etc::Trusted "$work/apt/none";
Dir::Etc::TrustedParts "$work/apt/parts";
Dir::Etc::Preferences "$work/apt/none";
Dir::Etc::PreferencesParts "$work/apt/parts";
Dir::State::Lists "$work/apt/lists";
Dir::State::Status "$work/apt/status";
Dir::State::Extended_States "$work/apt/extended_states";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
SETTINGS
} >"$work/apt/apt.conf"

say "fetching Neovim $series from $suite"
export APT_CONFIG=$work/apt/apt.conf
apt-get -qq update
apt-get -qq --yes --download-only install neovim lua-check patchelf >/dev/null
unset APT_CONFIG

root=$work/root
mkdir -p "$root/bin"
for package in "$work"/apt/cache/archives/*.deb; do
  dpkg-deb --extract "$package" "$root"
  basename "$package" >>"$root/.packages"
done
rm -rf "$root"/etc "$root"/var "$root/$libraries/gconv" \
  "$root"/usr/share/{applications,bash-completion,bug,doc,gcc,gdb,icons,lintian,locale,man}

# Neovim finds its own loader and libraries by itself: it starts v:progpath again, which has to be the program and not the loader.
loader=$libraries/ld-linux-x86-64.so.2
"$root/$loader" --library-path "$root/$libraries" "$root/usr/bin/patchelf" --force-rpath \
  --set-interpreter "$target/$loader" --set-rpath "$target/$libraries" "$root/usr/bin/nvim"

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

rm -rf "$target"
mv "$root" "$target"
is_installed || fail "what $suite holds is not Neovim $series: $("$target/bin/nvim" --version | head -n 1)"
