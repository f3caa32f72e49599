#!/usr/bin/env bash
# Usage: check.sh [--fix]
#
# Lints and checks the formatting of the Neovim plugin and of its tests; --fix formats.
# Needs luacheck (tests/editors/install_neovim.sh installs one) and Node.js for the formatting.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=editors/neovim
tests=tests/editors
sources=("$here/lua" "$tests/neovim")
cache=${HEARTH_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hearth-ci}

luacheck=$(command -v luacheck || true)
if [ -z "$luacheck" ]; then
  "$tests/install_neovim.sh" "$cache/nvim"
  luacheck=$cache/nvim/bin/luacheck
fi
"$luacheck" --quiet --no-color --config "$here/.luacheckrc" "${sources[@]}"

if ! command -v npm >/dev/null; then
  echo "check.sh: npm is missing, the formatting was not checked" >&2
  exit 0
fi
# The formatter is kept beside its lock file in the cache, so that the checkout stays clean.
formatter=$cache/lua-formatter-$(sha256sum "$here/scripts/package-lock.json" | cut -c 1-16)
if [ ! -d "$formatter/node_modules" ]; then
  mkdir -p "$formatter"
  cp "$here/scripts/package.json" "$here/scripts/package-lock.json" "$formatter/"
  (cd "$formatter" && npm ci --silent --ignore-scripts --no-audit --no-fund)
fi
mkdir -p "$formatter/scripts"
cp "$here/scripts/format.mjs" "$formatter/scripts/"
cp "$here/.stylua.toml" "$formatter/"
if [ "${1:-}" = --fix ]; then
  node "$formatter/scripts/format.mjs" "${sources[@]}"
else
  node "$formatter/scripts/format.mjs" --check "${sources[@]}" ||
    { echo "check.sh: run editors/neovim/check.sh --fix" >&2 && exit 1; }
fi
