"""What was measured, by minutes and by hours: one SQLite file in the data directory, readable by its owner alone."""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.errors import IndexCorrupt, NewerData
from indexer.schema import Schema
from server.accounts.private import open_private
from server.config import HistoryConfig
from server.errors import HistoryError
from server.history.measures import Amounts, Series
from server.history.percentiles import Buckets
from server.history.prices import Price, Prices

log = logging.getLogger(__name__)

FILE_NAME = "history.sqlite"
DAMAGED = f"{FILE_NAME}.damaged"
MINUTE, HOUR, DAY = 60, 3600, 86_400
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ADVICE = "Is the disk full? Is it another user's file?"
_TABLES = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, metric TEXT NOT NULL, labels TEXT NOT NULL, bounds TEXT NOT NULL,
    UNIQUE (metric, labels, bounds)
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


@dataclass(frozen=True, slots=True)
class Period:
    """A time that is asked for, in steps.

    Attributes:
        since: When it begins, in seconds since the epoch.
        until: When it ends.
        step: Seconds of one step.
        width: ``MINUTE`` or ``HOUR``: which of the two is read, both being kept of everything.
    """

    since: int
    until: int
    step: int
    width: int


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
                number, written = _number(database, series), _write(buckets, series.bounds)
                for width in (MINUTE, HOUR):
                    database.execute(
                        "INSERT INTO times VALUES (?, ?, ?, ?) "
                        "ON CONFLICT DO UPDATE SET buckets = merged(buckets, excluded.buckets)",
                        (width, number, begin(at, width), written),
                    )

    def counts(self, metrics: Collection[str], period: Period) -> list[tuple[Series, int, float]]:
        """Return what was counted within a time: series, number of the step, and amount.

        Raises:
            HistoryError: It cannot be read.
        """
        with self._using() as database:
            return [
                (series, step, float(value))
                for number, series in _known(database, metrics)
                for step, value in database.execute(
                    "SELECT (at - ?) / ?, sum(value) FROM counts WHERE width = ? AND series = ? AND at >= ? AND at < ? "
                    "GROUP BY 1",
                    (period.since, period.step, period.width, number, period.since, period.until),
                )
            ]

    def times(
        self, metrics: Collection[str], period: Period, wanted: Callable[[Series], bool] = lambda _: True
    ) -> list[tuple[Series, int, Buckets]]:
        """Return what was timed, as :meth:`counts`; only of series that are ``wanted``."""
        found: list[tuple[Series, int, Buckets]] = []
        with self._using() as database:
            for number, series in _known(database, metrics):
                if not wanted(series):
                    continue
                steps: dict[int, list[int]] = {}
                rows = database.execute(
                    "SELECT (at - ?) / ?, buckets FROM times WHERE width = ? AND series = ? AND at >= ? AND at < ?",
                    (period.since, period.step, period.width, number, period.since, period.until),
                )
                for step, written in rows:
                    counts = steps.setdefault(step, [0] * (len(series.bounds) + 1))
                    for place, count in _places(written):
                        if place < len(counts):
                            counts[place] += count
                scale = tuple(pairwise((0.0, *series.bounds, math.inf)))
                found += [
                    (series, step, {bucket: count for bucket, count in zip(scale, counts, strict=True) if count})
                    for step, counts in steps.items()
                ]
        return found

    def forget_old(self, now: float) -> None:
        """Forget what is older than the settings say.

        Raises:
            HistoryError: It cannot be written.
        """
        with self._using() as database, _transaction(database):
            for width, days in ((MINUTE, self._config.minutes_days), (HOUR, self._config.hours_days)):
                for table in ("counts", "times"):
                    database.execute(
                        f"DELETE FROM {table} WHERE width = ? AND at < ?",  # noqa: S608  # one of two names of ours  # nosec B608
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
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        aside = self._path.with_name(DAMAGED)
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
    return isinstance(error, _DamagedError) or code & 0xFF in _DAMAGE


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


def _known(database: sqlite3.Connection, metrics: Collection[str]) -> list[tuple[int, Series]]:
    marks = ", ".join("?" * len(metrics))
    rows = database.execute(
        f"SELECT id, metric, labels, bounds FROM series WHERE metric IN ({marks})",  # noqa: S608  # marks alone  # nosec B608
        tuple(metrics),
    ).fetchall()
    return [
        (number, Series(metric, tuple(sorted(json.loads(labels).items())), tuple(json.loads(bounds))))
        for number, metric, labels, bounds in rows
    ]


def _number(database: sqlite3.Connection, series: Series) -> int:
    key = (series.metric, json.dumps(dict(series.labels), sort_keys=True), json.dumps(series.bounds))
    database.execute("INSERT OR IGNORE INTO series (metric, labels, bounds) VALUES (?, ?, ?)", key)
    (number,) = database.execute("SELECT id FROM series WHERE metric = ? AND labels = ? AND bounds = ?", key).fetchone()
    return int(number)


def _write(buckets: Buckets, bounds: tuple[float, ...]) -> str:
    """Write buckets as ``place:count``, with spaces between: most are empty, and there are millions of them."""
    places = {upper: place for place, upper in enumerate((*bounds, math.inf))}
    return " ".join(f"{places[upper]}:{count}" for (_, upper), count in sorted(buckets.items()))


def _merge(one: str, other: str) -> str:
    counts: Counter[int] = Counter()
    for written in (one, other):
        for place, count in _places(written):
            counts[place] += count
    return " ".join(f"{place}:{count}" for place, count in sorted(counts.items()))


def _places(written: str) -> Iterator[tuple[int, int]]:
    """Yield places and counts. SQLite does not notice a changed letter, which costs what it stands in and no more."""
    for item in written.split():
        place, _, count = item.partition(":")
        if place.isdecimal() and count.isdecimal():
            yield int(place), int(count)
