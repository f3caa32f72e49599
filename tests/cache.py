"""What tests install or make once is kept in a cache, which several processes may fill at the same time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNUSED_SECONDS = 24 * 3600

CACHE = Path(os.environ.get("HEARTH_CI_CACHE") or Path.home() / ".cache" / "hearth-ci")


@contextmanager
def filling(name: str) -> Iterator[None]:
    """Let one process at a time install or make what goes by ``name``; it looks first whether another one just did."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(file: Path, pattern: str) -> Path:
    """Note that a file of the cache is used, and remove those like it that nobody used for a day; return it."""
    os.utime(file)
    for other in file.parent.glob(pattern):
        with suppress(FileNotFoundError):
            if time.time() - other.stat().st_mtime > _UNUSED_SECONDS:
                other.unlink()
    return file
