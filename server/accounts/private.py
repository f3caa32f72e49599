"""SQLite files that hold what lets people in: readable by their owner alone from the first byte on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.private import make_private


def open_private(path: Path) -> sqlite3.Connection:
    """Open a file that nobody else may read, for several threads that take turns; made when it is not there.

    Raises:
        OSError: It cannot be made.
        sqlite3.Error: It cannot be opened.
    """
    make_private(path)
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def open_reading(path: Path) -> sqlite3.Connection:
    """Open a file that is there a second time, to read what was committed last without waiting for whoever writes.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )


@contextmanager
def transaction(database: sqlite3.Connection, beginning: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Do what is in the block as a whole, or nothing of it. Raises sqlite3.Error."""
    database.execute(beginning)
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
