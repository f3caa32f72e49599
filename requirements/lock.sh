#!/usr/bin/env bash
# Resolves the lock files for every supported platform and Python, with hashes. They name no index host, so that
# they work behind a company's own mirror, with pip and with uv alike.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links --no-annotate "$@"
}
compile pyproject.toml --output-file requirements/base.lock
compile pyproject.toml --extra charts --extra tracing --group dev --output-file requirements/dev.lock
# faiss-gpu installs the same files as faiss-cpu: the override leaves the latter out.
compile pyproject.toml --extra gpu --override requirements/gpu-overrides.txt --output-file requirements/gpu.lock
