"""The SQLite file of the queue: its tables, its version, and one connection shared by the threads of a process."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from indexer.private import make_private
from indexer.schema import Schema
from indexer.store.database import require_directory, translated

DATABASE = "queue.sqlite"

_ADVICE = "Move the file away and register the repositories again; the index itself is not affected."
_BUSY_SECONDS = 10.0
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE repository (
  name TEXT PRIMARY KEY,
  source TEXT NOT NULL UNIQUE,
  -- Patterns of branches, one a line; none means the branch of HEAD.
  branches TEXT NOT NULL,
  -- Where the secret is (env:NAME, file:PATH), never the secret.
  credential TEXT NOT NULL,
  poll_minutes REAL NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0,
  origin TEXT NOT NULL,
  added_at REAL NOT NULL,
  polled_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository TEXT NOT NULL,
  kind TEXT NOT NULL,
  -- Empty for all branches that are followed.
  ref TEXT NOT NULL,
  reason TEXT NOT NULL,
  state TEXT NOT NULL,
  -- Grows with every request; whoever finishes an older one leaves the newer waiting.
  version INTEGER NOT NULL DEFAULT 1,
  attempts INTEGER NOT NULL DEFAULT 0,
  enqueued_at REAL NOT NULL,
  due_at REAL NOT NULL,
  claim TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  UNIQUE (repository, kind, ref)
);
CREATE INDEX job_state ON job (state, due_at);
-- When each repository was served last, counted in turns and not in seconds.
CREATE TABLE turn (repository TEXT PRIMARY KEY, served INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  forge TEXT NOT NULL,
  name TEXT NOT NULL,
  repository TEXT NOT NULL,
  digest TEXT NOT NULL,
  seen_at REAL NOT NULL,
  UNIQUE (forge, name)
);
INSERT INTO meta VALUES ('turn', 0);
"""
SCHEMA = Schema(_TABLES, advice=_ADVICE)


class QueueDatabase:
    """One connection, one transaction at a time."""

    def __init__(self, data: Path) -> None:
        require_directory(data)
        self.data = data
        self._lock = threading.Lock()
        with self._translated():
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_private(data / DATABASE)
            self._connection = sqlite3.connect(
                data / DATABASE, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._translated():
                self._connection.execute("PRAGMA journal_mode = WAL")
                # What was accepted must survive a power cut: nobody sends it a second time.
                self._connection.execute("PRAGMA synchronous = FULL")
            with self.transaction() as connection:
                SCHEMA.prepare(connection, data / DATABASE)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the one writing transaction; it is undone when the block fails.

        Raises:
            DiskFull: Nothing of the block was written.
            IndexBusy: Another process holds the file for too long.
            IndexCorrupt: The file is damaged.
            DataDirectoryError: The file cannot be used.
        """
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has undone it already when the disk was full.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read what was committed last; raises as :meth:`transaction`."""
        with self._lock, self._translated():
            yield self._connection

    def changes(self) -> tuple[int, int]:
        """Return what differs when another connection has written since, or this one."""
        with self.reading() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0]), connection.total_changes

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return translated(self.data, DATABASE, _ADVICE)
