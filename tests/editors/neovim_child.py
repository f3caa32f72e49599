"""Runs the cases of ``neovim/specs`` in real Neovim, and Neovim in a real terminal."""

from __future__ import annotations

import asyncio
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
CACHE = Path(os.environ.get("HEARTH_CI_CACHE") or Path.home() / ".cache" / "hearth-ci")


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


def install_neovim() -> Path:
    """Return Neovim, installed into the cache when it is not there.

    Raises:
        pytest.fail.Exception: It cannot be installed.
    """
    wanted = CACHE / "nvim"
    done = subprocess.run([HERE / "install_neovim.sh", wanted], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"Neovim cannot be installed: {done.stderr}")
    return wanted / "bin" / "nvim"


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


class Terminal:
    """A terminal of its own with Neovim in it."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "tmux"

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", os.devnull, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    def start(self, command: list[str], variables: Mapping[str, str]) -> None:
        pairs = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        self._tmux("-u", "new-session", "-d", "-x", "80", "-y", "16", *pairs, *command)

    def type(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def screen(self, *, colours: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    async def wait_for(self, text: str) -> str:
        """Wait until the screen holds ``text``, and return the screen."""
        try:
            async with asyncio.timeout(60):
                while True:
                    screen = await asyncio.to_thread(self.screen)
                    if text in screen:
                        return screen
                    # A terminal has no event for new text.
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"no {text!r} in\n{self.screen()}") from None

    def stop(self) -> None:
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False)
