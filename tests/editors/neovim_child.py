"""Runs the cases of ``neovim/specs`` in real Neovim."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.editors.shop import LIMIT_SECONDS

HERE = Path(__file__).parent
SPECS = HERE / "neovim" / "specs"
PLUGIN = HERE.parent.parent / "editors" / "neovim"


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a file in ``specs``."""

    spec: str
    name: str


def cases(*specs: str) -> list[ParameterSet]:
    """Return every case of the specs, in order, as a parameter."""
    found: list[ParameterSet] = []
    for spec in specs:
        text = (SPECS / f"{spec}.lua").read_text()
        names = re.findall(r'^case\(\s*"((?:[^"\\]|\\.)*)",\s*function', text, re.MULTILINE)
        # The name of a case in a loop ends with what the loop runs over.
        names += [
            name + word
            for words, name in re.findall(r'ipairs\(\{([^}]*)\}\) do\n  case\(\s*"((?:[^"\\]|\\.)*)" \.\.', text)
            for word in re.findall(r'"([^"]*)"', words)
        ]
        found += [pytest.param(Case(spec, name), id=f"{spec}: {name}") for name in names]
    return found


def environment(scratch: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a Neovim that knows nothing of the user's."""
    folders = {f"XDG_{name}_HOME": str(scratch / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    return {
        **os.environ,
        **folders,
        "LC_ALL": "C.UTF-8",
        "HEARTH_TEST_DIR": str(scratch),
        "HEARTH_TEST_PYTHON": sys.executable,
        **(more or {}),
    }


def run_case(neovim: Path, scratch: Path, case: Case, more: Mapping[str, str] | None = None) -> None:
    """Run one case of a spec; what it prints is the reason when it fails."""
    done = subprocess.run(
        [neovim, "--clean", "-l", HERE / "neovim" / "run.lua", case.spec, case.name],
        env=environment(scratch, more),
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
