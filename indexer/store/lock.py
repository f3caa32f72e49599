"""One writer to a data directory at a time, and one dispatcher that works off its queue."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from indexer.errors import IndexBusy
from indexer.private import make_private
from indexer.store.database import require_directory, translated

_LOCK_FILE = "worker.lock"
_DISPATCHER_LOCK_FILE = "dispatcher.lock"
# A file of its own: closing any descriptor of the lock file would free the lock of a writer in the same process.
_PID_FILE = "worker.pid"
_POLL_SECONDS = 0.1


@contextlib.contextmanager
def writer_lock(data: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the writer lock of ``data``, which is made when it does not exist; the system frees it when we die.

    Raises:
        IndexBusy: Another process holds it still after ``wait_seconds``.
        DataDirectoryError: The directory cannot be made or written.
    """
    descriptor = _open(data, _LOCK_FILE)
    try:
        _acquire(descriptor, data, wait_seconds)
        with translated(data):
            make_private(data / _PID_FILE)
            (data / _PID_FILE).write_text(f"{os.getpid()}\n", "ascii")
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def dispatcher_lock(data: Path) -> Iterator[bool]:
    """Try to become the one process that works off the queue of ``data``; yields whether it did.

    The system frees the lock when we die, so that no lease has to run out by any clock.

    Raises:
        DataDirectoryError: The directory cannot be made or written.
    """
    descriptor = _open(data, _DISPATCHER_LOCK_FILE)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def writer_process(data: Path) -> int:
    """Return the id of the process that writes to ``data``, 0 when there is none."""
    try:
        process = int((data / _PID_FILE).read_text("ascii"))
        os.kill(process, 0)
    except PermissionError:
        return process
    except (OSError, ValueError):
        return 0
    return process


def _open(data: Path, name: str) -> int:
    require_directory(data)
    with translated(data):
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        # For POSIX record locks, not flock(): a child that outlives its killed parent must not keep the lock.
        return os.open(data / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _acquire(descriptor: int, data: Path, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() >= deadline:
                holder = writer_process(data)
                raise IndexBusy(
                    f"process {holder or 'unknown'} is writing to the index in {data}",
                    advice="Wait for it with --wait, or stop it.",
                ) from error
            time.sleep(_POLL_SECONDS)
        else:
            return
