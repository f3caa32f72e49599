"""Looks the locked packages up in the package index's list of known vulnerabilities.

Fails when one is known, and only then: where the list cannot be reached, it says what was not looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).with_name("base.lock")
SECONDS = 120


def main() -> int:
    """Print what was found, and return the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", str(LOCK), "-f", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        sys.stdout.write(f"audit: nothing was looked up, the list of vulnerabilities did not answer ({LOCK.name})\n")
        return 0
    known = [(package, problem) for package in packages for problem in package.get("vulns", ())]
    for package, problem in known:
        mended = ", ".join(problem["fix_versions"]) or "no version yet"
        sys.stdout.write(f"audit: {package['name']} {package['version']}: {problem['id']}, mended in {mended}\n")
    looked_up = sum("vulns" in package for package in packages)
    missing = "" if looked_up == len(packages) else "; the list did not answer for the others"
    sys.stdout.write(
        f"audit: {looked_up} of {len(packages)} packages of {LOCK.name} were looked up, "
        f"{len(known)} vulnerabilities are known{missing}\n"
    )
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
