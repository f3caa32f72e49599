"""What was measured, by minutes and by hours: one SQLite file in the data directory, readable by its owner alone."""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from indexer.errors import IndexCorrupt, NewerData
from indexer.schema import Schema
from server.accounts.private import open_private
from server.config import HistoryConfig
from server.errors import HistoryError
from server.history.measures import Amounts, Series
from server.history.percentiles import Buckets, merged
from server.history.prices import Price, Prices

log = logging.getLogger(__name__)

FILE_NAME = "history.sqlite"
MINUTE, HOUR, DAY = 60, 3600, 86_400
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ADVICE = "Is the disk full? Is it another user's file?"
_TABLES = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, metric TEXT NOT NULL, labels TEXT NOT NULL, UNIQUE (metric, labels)
) STRICT;
CREATE TABLE counts (
    width INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series (id), at INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (width, series, at)
) STRICT, WITHOUT ROWID;
CREATE TABLE times (
    width INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series (id), at INTEGER NOT NULL, buckets TEXT NOT NULL,
    PRIMARY KEY (width, series, at)
) STRICT, WITHOUT ROWID;
CREATE TABLE prices (model TEXT PRIMARY KEY, prompt REAL NOT NULL, generated REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
SCHEMA = Schema(_TABLES, in_header=True, advice="Move it away: what was measured is then lost.")


class History:
    """The file. It is opened when it is first used, and again after whatever was wrong with it.

    Several threads may use one object, and several processes one file. All methods block.

    Args:
        data: The data directory.
        config: How long what is kept.
    """

    def __init__(self, data: Path, config: HistoryConfig) -> None:
        self._path = data / FILE_NAME
        self._config = config
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent; it is opened again when it is used again."""
        with self._lock:
            self._forget()

    def add(self, at: float, amounts: Amounts) -> None:
        """Add what came within the minute of ``at``, in seconds since the epoch: all of it, or nothing.

        Raises:
            HistoryError: It cannot be written.
        """
        with self._using() as database, _transaction(database):
            for series, value in amounts.counts.items():
                number = _number(database, series)
                for width in (MINUTE, HOUR):
                    database.execute(
                        "INSERT INTO counts VALUES (?, ?, ?, ?) "
                        "ON CONFLICT DO UPDATE SET value = value + excluded.value",
                        (width, number, begin(at, width), value),
                    )
            for series, buckets in amounts.times.items():
                number, written = _number(database, series), _write(buckets)
                for width in (MINUTE, HOUR):
                    database.execute(
                        "INSERT INTO times VALUES (?, ?, ?, ?) "
                        "ON CONFLICT DO UPDATE SET buckets = merged(buckets, excluded.buckets)",
                        (width, number, begin(at, width), written),
                    )

    def counts(
        self, metrics: Collection[str], width: int, since: float, until: float
    ) -> list[tuple[Series, int, float]]:
        """Return what was counted from ``since`` until before ``until``: series, beginning and amount.

        Args:
            metrics: Names of metrics.
            width: ``MINUTE`` or ``HOUR``; for how long each amount is.
            since: Seconds since the epoch.
            until: As ``since``.

        Raises:
            HistoryError: It cannot be read.
        """
        return [(series, at, float(value)) for series, at, value in self._rows("counts", metrics, width, since, until)]

    def times(
        self, metrics: Collection[str], width: int, since: float, until: float
    ) -> list[tuple[Series, int, Buckets]]:
        """Return what was timed, as :meth:`counts`."""
        return [
            (series, at, _read(str(written)))
            for series, at, written in self._rows("times", metrics, width, since, until)
        ]

    def forget_old(self, now: float) -> None:
        """Forget what is older than the settings say.

        Raises:
            HistoryError: It cannot be written.
        """
        with self._using() as database, _transaction(database):
            for width, days in ((MINUTE, self._config.minutes_days), (HOUR, self._config.hours_days)):
                for table in ("counts", "times"):
                    database.execute(
                        f"DELETE FROM {table} WHERE width = ? AND at < ?",  # noqa: S608  # one of two names of ours
                        (width, int(now) - days * DAY),
                    )
            database.execute(
                "DELETE FROM series WHERE id NOT IN (SELECT series FROM counts UNION SELECT series FROM times)"
            )

    def prices(self) -> Prices:
        """Return the prices that were set last.

        Raises:
            HistoryError: They cannot be read.
        """
        with self._using() as database:
            currency = database.execute("SELECT value FROM settings WHERE name = 'currency'").fetchone()
            rows = database.execute("SELECT model, prompt, generated FROM prices ORDER BY model").fetchall()
        return Prices(currency[0] if currency else "", {model: Price(prompt, made) for model, prompt, made in rows})

    def set_prices(self, prices: Prices) -> None:
        """Replace all prices.

        Raises:
            HistoryError: They cannot be written.
        """
        with self._using() as database, _transaction(database):
            database.execute("INSERT OR REPLACE INTO settings VALUES ('currency', ?)", (prices.currency,))
            database.execute("DELETE FROM prices")
            rows = [(model, price.prompt, price.generated) for model, price in prices.models.items()]
            database.executemany("INSERT INTO prices VALUES (?, ?, ?)", rows)

    def _rows(
        self, table: str, metrics: Collection[str], width: int, since: float, until: float
    ) -> list[tuple[Series, int, Any]]:
        with self._using() as database:
            rows: list[tuple[Series, int, Any]] = []
            marks = ", ".join("?" * len(metrics))
            known = database.execute(
                f"SELECT id, metric, labels FROM series WHERE metric IN ({marks})",  # noqa: S608  # marks alone
                tuple(metrics),
            ).fetchall()
            for number, metric, labels in known:
                series = Series(metric, tuple(sorted(json.loads(labels).items())))
                found = database.execute(
                    f"SELECT * FROM {table} WHERE width = ? AND series = ? AND at >= ? AND at < ?",  # noqa: S608  # as above
                    (width, number, math.ceil(since), math.ceil(until)),
                )
                rows += [(series, at, value) for _, _, at, value in found]
            return rows

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._open is None:
                    self._open = self._opened()
                yield self._open
            except (OSError, sqlite3.Error) as error:
                self._forget()
                if _is_damage(error):
                    self._set_aside(error)
                raise HistoryError(f"{self._path} cannot be used: {error}", advice=_ADVICE) from error
            except (NewerData, IndexCorrupt) as error:
                raise HistoryError(error.message, advice=error.advice) from error

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._prepared()
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = open_private(self._path)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA busy_timeout = 5000")
            database.create_function("merged", 2, _merge, deterministic=True)
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise _DamagedError(said)
            with _transaction(database):
                SCHEMA.prepare(database, self._path)
        except BaseException:
            database.close()
            raise
        return database

    def _set_aside(self, damage: Exception) -> None:
        """Keep the damaged file for whoever can mend it, and let a new one be begun."""
        aside = self._path.with_name(f"{FILE_NAME}.damaged")
        try:
            self._path.replace(aside)
            for journal in ("-wal", "-shm"):
                self._path.with_name(f"{FILE_NAME}{journal}").unlink(missing_ok=True)
        except OSError as error:
            log.error("%s is damaged and cannot be moved away: %s", self._path, error)
            return
        log.error(
            "%s is damaged (%s): it was moved to %s, and what is measured from now on is kept in a new one; "
            "prices have to be set again",
            self._path,
            damage,
            aside,
        )

    def _forget(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class _DamagedError(sqlite3.DatabaseError):
    """SQLite found something wrong in the file."""


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, _DamagedError) or code & 0xFF in _DAMAGED


def begin(at: float, width: int) -> int:
    """Return when the minute, the hour or whatever is ``width`` seconds long began that ``at`` is in."""
    return int(at // width) * width


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _number(database: sqlite3.Connection, series: Series) -> int:
    key = (series.metric, json.dumps(dict(series.labels), sort_keys=True))
    database.execute("INSERT OR IGNORE INTO series (metric, labels) VALUES (?, ?)", key)
    (number,) = database.execute("SELECT id FROM series WHERE metric = ? AND labels = ?", key).fetchone()
    return int(number)


def _write(buckets: Buckets) -> str:
    """Write buckets as ``[[lower, upper, count], …]``; ``null`` is infinity."""
    rows = [(low, None if math.isinf(high) else high, count) for (low, high), count in sorted(buckets.items())]
    return json.dumps(rows, separators=(",", ":"))


def _read(written: str) -> Buckets:
    return {(low, math.inf if high is None else high): count for low, high, count in json.loads(written)}


def _merge(one: str, other: str) -> str:
    return _write(merged((_read(one), _read(other))))
