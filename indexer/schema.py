"""Tables of an SQLite file by their version: made where there are none, and brought up to date where they are older.

An upgrade is a row of steps inside one transaction: it is done as a whole or not at all, and whoever runs it next time
begins where this one did.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import IndexCorrupt, NewerData, OlderData

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one kind of file.

    The first version has the number 1, and each step leads to the next. What stands in ``steps`` is never changed
    again; what tables become in the end is said a second time in ``tables``, for files that are new.

    Attributes:
        tables: Statements that make the tables of this version, each with a semicolon at the end of its line.
        steps: Statements in the same form; ``steps[0]`` turns the first version into the second.
        in_header: Whether the version stands in the file's header (``user_version``), not in the table ``meta``.
        unnoted: The version of files that say none because they are older than such notes; 0 when there are none.
        advice: What to do about a file that is no such file.
    """

    tables: str
    steps: tuple[str, ...] = ()
    in_header: bool = False
    unnoted: int = 0
    advice: str = ""

    @property
    def version(self) -> int:
        """The version that this program works with."""
        return len(self.steps) + 1

    def found(self, connection: sqlite3.Connection, path: Path) -> int:
        """Return the version of the tables that are there, 0 when there are none.

        Raises:
            IndexCorrupt: There are tables, and nothing says of which version.
            sqlite3.Error: The file cannot be read.
        """
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            return 0
        version = self._noted(connection) or self.unnoted
        if version < 1:
            raise IndexCorrupt(f"{path} has tables of no version", advice=self.advice)
        return version

    def require(self, connection: sqlite3.Connection, path: Path, upgrade: str) -> None:
        """Check for a reader that the tables are those of this program.

        Args:
            connection: The open file.
            path: Where it is, for messages.
            upgrade: What brings an older file up to date, for messages.

        Raises:
            OlderData: They are of an older version.
            NewerData: They are of a newer one.
            IndexCorrupt: Nothing says of which.
        """
        version = self.found(connection, path)
        self._refuse_newer(version, path)
        if version != self.version:
            raise OlderData(
                f"{path} has tables of version {version}, which an older Hearth made; this one needs version "
                f"{self.version}",
                advice=upgrade,
            )

    def prepare(self, connection: sqlite3.Connection, path: Path) -> int:
        """Make the tables or bring them up to date, inside a transaction that the caller began and commits.

        Returns the version that was found, 0 for an empty file.

        Raises:
            NewerData: They are of a newer version.
            IndexCorrupt: Nothing says of which version they are.
            sqlite3.Error: A step failed; the caller undoes all of them.
        """
        version = self.found(connection, path)
        self._refuse_newer(version, path)
        if version and self._noted(connection) == self.version:
            return version
        for script in self.steps[version - 1 :] if version else (self.tables,):
            for statement in _statements(script):
                connection.execute(statement)
        if self.in_header:
            connection.execute(f"PRAGMA user_version = {self.version}")
        else:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (self.version,))
        if 0 < version < self.version:
            _log.warning("%s was brought from version %d to version %d", path, version, self.version)
        return version

    def _noted(self, connection: sqlite3.Connection) -> int:
        if self.in_header:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
        try:
            row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            row = None
        return int(row[0]) if row else 0

    def _refuse_newer(self, version: int, path: Path) -> None:
        if version > self.version:
            raise NewerData(
                f"{path} has tables of version {version}, which a newer Hearth made; this one knows version "
                f"{self.version}",
                advice="Run the newer Hearth again, or restore a backup that was made before it.",
            )


def _statements(script: str) -> Iterator[str]:
    """Cut a script at its semicolons at line ends; comments stay in front of what they are about."""
    return (statement for statement in script.split(";\n") if statement.strip())
