"""Fixtures shared by all tests: small real git repositories made on the spot."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

# A shell that starts the tests in the background makes them, and all they start, deaf to interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_GIT_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True, slots=True)
class Repository:
    """A real git repository with a work tree, for tests."""

    path: Path

    def git(self, *arguments: str) -> str:
        """Run git here and return what it printed, without the last newline."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **_GIT_ENVIRONMENT},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.rstrip("\n")

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files below the work tree; text is written as UTF-8 with its own line ends."""
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "change") -> str:
        """Write ``files``, commit everything and return the commit's id."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """What a command that runs in a test makes of the log ends with the test, as the stream does that it writes to."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., Repository]:
    """Return ``(files=None, name="demo") -> Repository``: makes a repository, with one commit when given files."""

    def make(files: Mapping[str, str | bytes] | None = None, name: str = "demo") -> Repository:
        path = tmp_path / name
        path.mkdir(parents=True)
        repository = Repository(path)
        repository.git("init", "--quiet", "--initial-branch=main")
        if files:
            repository.commit(files, "first")
        return repository

    return make
