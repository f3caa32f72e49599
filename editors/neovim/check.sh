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
# The formatter is kept in the cache, so that the checkout stays clean, under the name of what it is made of. It gets that
# name when it is whole: several checks may run at once, and one may be stopped in the middle.
parts=("$here/scripts/package.json" "$here/scripts/package-lock.json" "$here/scripts/format.mjs" "$here/.stylua.toml")
formatter=$cache/lua-formatter-$(cat "${parts[@]}" | sha256sum | cut -c 1-16)
if [ ! -d "$formatter" ]; then
  mkdir -p "$cache"
  making=$(mktemp -d "$formatter.XXXXXX")
  trap 'rm -rf "$making"' EXIT
  mkdir "$making/scripts"
  cp "$here/.stylua.toml" "$making/"
  cp "$here"/scripts/* "$making/scripts/"
  (cd "$making/scripts" && npm ci --silent --ignore-scripts --no-audit --no-fund)
  # Another check may have been first.
  node -e 'require("fs").renameSync(...process.argv.slice(1))' "$making" "$formatter" 2>/dev/null || [ -d "$formatter" ]
fi
if [ "${1:-}" = --fix ]; then
  node "$formatter/scripts/format.mjs" "${sources[@]}"
else
  node "$formatter/scripts/format.mjs" --check "${sources[@]}" ||
    { echo "check.sh: run editors/neovim/check.sh --fix" >&2 && exit 1; }
fi
