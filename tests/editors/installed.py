"""The editors and the terminal that tests use, installed into a cache when they are not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cache import CACHE


def install(script: str, name: str) -> Path:
    """Run an install script of this folder and return the directory with its programs.

    Raises:
        pytest.fail.Exception: It says that it cannot install them.
    """
    wanted = CACHE / name
    done = subprocess.run([Path(__file__).parent / script, wanted], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{name} cannot be installed: {done.stderr}")
    return wanted / "bin"
