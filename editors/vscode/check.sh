#!/usr/bin/env bash
# Checks the types, the lint rules and the format of the extension, and that it can be bundled.
# Needs node 20 or newer, and npm's registry the first time and whenever package-lock.json changed.
set -euo pipefail
cd "$(dirname "$0")"

for tool in node npm; do
  command -v "$tool" >/dev/null || {
    echo "editors/vscode/check.sh: $tool is missing; install Node.js 20 or newer" >&2
    exit 1
  }
done

lock=$(sha256sum package.json package-lock.json | sha256sum | cut -c1-16)
if [ "$(cat node_modules/.hearth-lock 2>/dev/null)" != "$lock" ]; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  echo "$lock" >node_modules/.hearth-lock
fi

npm run --silent types
npm run --silent lint
npm run --silent build
