"""A bare repository that is pushed to, with files made up for it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.latency.hearth import HEARTH

_FUNCTIONS = 20
_IDENTITY = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")


class PushedRepository:
    """A bare repository and a clone to push from.

    Args:
        directory: Where both are made; must not have them yet.
    """

    def __init__(self, directory: Path) -> None:
        self.bare = directory / "pushed.git"
        self._clone = directory / "clone"
        run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        run("git", "init", "--quiet", "--initial-branch=main", str(self._clone))
        run("git", "remote", "add", "origin", str(self.bare), directory=self._clone)

    def install_hook(self, data: Path) -> None:
        """Let pushes be told to the server of a data directory."""
        run(HEARTH, "hooks", "install", str(self.bare), "--data", str(data))

    def push(self, number: int, files: int) -> tuple[float, float]:
        """Change ``files`` files of 20 functions each and push them.

        Returns when ``git push`` began, by ``time.perf_counter``, and the seconds that it took. One of the functions is
        called as :func:`pushed_name` says.
        """
        for file in range(files):
            body = "".join(
                f"def step_{number}_{file}_{line}(value):\n    return value + {number * file + line}\n\n\n"
                for line in range(_FUNCTIONS)
            )
            name = f"\n\ndef {pushed_name(number)}():\n    return {number}\n" if file == 0 else ""
            (self._clone / f"module_{file}.py").write_text(body + name)
        run("git", "add", "--all", directory=self._clone)
        run("git", "commit", "--quiet", "--message", f"push {number}", directory=self._clone)
        began = time.perf_counter()
        run("git", "push", "--quiet", "origin", "main", directory=self._clone)
        return began, time.perf_counter() - began

    def head(self) -> str:
        """Return the id of the commit that was pushed last."""
        done = subprocess.run(
            ["git", "-C", str(self.bare), "rev-parse", "main"], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


def pushed_name(number: int) -> str:
    """Return the name of a function that only one push brings."""
    return f"searchable_after_push_{number}"


def run(*command: str, directory: Path | None = None) -> None:
    """Run a command that must succeed, as somebody whose name git does not need to know."""
    identity = dict.fromkeys(_IDENTITY, "benchmark@example.invalid")
    subprocess.run(command, cwd=directory, env={**os.environ, **identity}, check=True, stdout=subprocess.DEVNULL)
