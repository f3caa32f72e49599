"""Who is signed in with a browser: one SQLite file in the data directory, readable by its owner alone.

A sign-in stands on a token, whatever it was that proved who somebody is: it may do what the token may, and ends with
it. Its own secret is a cookie, and only a digest of that is kept.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.schema import Schema
from server.accounts.private import open_private, open_reading, transaction
from server.errors import AccountsError

_log = logging.getLogger(__name__)

FILE_NAME = "sign_ins.sqlite"
LONGEST_SECONDS = 12 * 3600.0
_SECRET_BYTES = 32
_ADVICE = "Check its permissions, or move it away: then everybody signs in to the pages again."
_TABLES = """
CREATE TABLE sign_in (digest BLOB PRIMARY KEY, token TEXT NOT NULL, expires REAL NOT NULL) STRICT, WITHOUT ROWID;
"""
SCHEMA = Schema(_TABLES, in_header=True, unnoted=1, advice=_ADVICE)


class SignIns:
    """Sign-ins of browsers. Several threads may use one object.

    Args:
        data: The data directory; it must be there.

    Raises:
        AccountsError: The file cannot be used.
        NewerData: A newer Hearth made it.
    """

    def __init__(self, data: Path) -> None:
        path = data / FILE_NAME
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        try:
            try:
                self._database, self._reading = _open(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                _log.error("%s is damaged (%s): everybody signs in to the pages again", path, error)
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
                self._database, self._reading = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise AccountsError(f"{path} cannot be used: {error}", advice=_ADVICE) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._looking:
            self._reading.close()
        with self._lock:
            self._database.close()

    def begin(self, token_id: str, now: float) -> str:
        """Sign somebody in who holds a token, and return the secret; also forgets what has expired.

        Raises:
            AccountsError: It cannot be written.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        self._write("DELETE FROM sign_in WHERE expires <= ?", now)
        self._write("INSERT INTO sign_in VALUES (?, ?, ?)", _digest(secret), token_id, now + LONGEST_SECONDS)
        return secret

    def find(self, secret: str, now: float) -> str:
        """Return the id of the token that a sign-in stands on; empty when there is none, or none that can be read.

        Takes microseconds, whatever is written meanwhile.
        """
        try:
            with self._looking:
                # Found by a digest: how long the look takes says nothing of the secret.
                row = self._reading.execute(
                    "SELECT token FROM sign_in WHERE digest = ? AND expires > ?", (_digest(secret), now)
                ).fetchone()
        except sqlite3.Error as error:
            _log.error("sign-ins cannot be read: %s", error)
            return ""
        return str(row[0]) if row else ""

    def end(self, secret: str) -> None:
        """Sign out. Idempotent. Raises AccountsError when it cannot be written."""
        self._write("DELETE FROM sign_in WHERE digest = ?", _digest(secret))

    def _write(self, statement: str, *values: object) -> None:
        try:
            with self._lock:
                self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise AccountsError(f"sign-ins cannot be written: {error}", advice="Is the disk full?") from error


def _open(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Return a connection to write with, and one to read with."""
    database = open_private(path)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA busy_timeout = 5000")
        with transaction(database):
            SCHEMA.prepare(database, path)
        database.execute("SELECT count(*) FROM sign_in").fetchone()
        return database, open_reading(path)
    except BaseException:
        database.close()
        raise


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
