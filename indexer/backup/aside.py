"""The private directory that a backup is written in, beside where it belongs, and those that killed runs left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

CONTENT = "content"
ARCHIVE = "archive"


@contextlib.contextmanager
def aside(target: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """Make a directory beside ``target``, remove it in the end, and first those that runs for this target left.

    Yields it and what was removed. While we live it is locked, so that nobody takes it for something left.

    Raises:
        OSError: It cannot be made.
    """
    parent = target.absolute().parent
    with contextlib.ExitStack() as stack:
        # Between being made and being locked a directory looks like one of a run that was killed.
        with _lock(parent, wait=True):
            removed = tuple(path for path in _candidates(parent, target.name) if _remove_left(path))
            directory = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=parent))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            stack.enter_context(_lock(directory, wait=False))
        yield directory, removed


def _candidates(parent: Path, name: str) -> list[Path]:
    form = re.compile(rf"\.{re.escape(name)}\.[a-z0-9_]{{8}}")
    return sorted(path for path in parent.iterdir() if form.fullmatch(path.name) and _is_ours(path))


def _is_ours(path: Path) -> bool:
    with contextlib.suppress(OSError):
        mine = path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.geteuid()
        return mine and {entry.name for entry in path.iterdir()} <= {CONTENT, ARCHIVE}
    return False


def _remove_left(path: Path) -> bool:
    with contextlib.suppress(OSError), _lock(path, wait=False) as locked:
        if locked:
            shutil.rmtree(path)
            return True
    return False


@contextlib.contextmanager
def _lock(directory: Path, *, wait: bool) -> Iterator[bool]:
    """Lock a directory, which the system frees when we die; yields whether it is: some file systems cannot."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        locked = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(descriptor)
