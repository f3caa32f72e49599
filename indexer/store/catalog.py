"""Reads what the index knows about repositories, files, symbols and chunks; any thread may ask."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.errors import IndexCorrupt
from indexer.store.blobs import ALLOWED_MARK
from indexer.store.database import DATABASE, REBUILD_ADVICE, connect_reader, translated
from indexer.types import (
    Import,
    IndexState,
    RefStatus,
    RepositoryStatus,
    SkipReason,
    Symbol,
    SymbolHit,
    SymbolKind,
)

Ids = NDArray[np.int64]

_T = TypeVar("_T")

_CACHED_CHARACTERS = 32_000_000
_VARIABLES = 500
_EPOCH_BITS = 40


@dataclass(frozen=True, slots=True)
class RefRecord:
    """One published ref. ``version`` changes with every publication."""

    ref_id: int
    repository_id: int
    repository: str
    ref: str
    commit: str
    version: int
    corpus: str
    source: str
    root: str
    git_dir: str
    identity: str
    default_ref: str


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """One chunk at one path of one published ref."""

    chunk_id: int
    ref_id: int
    commit: str
    path: str
    language: str
    blob_id: int
    start_line: int
    end_line: int
    symbol: str
    scope: str
    kind: str


class Catalog:
    """The reading side of the SQLite file: one connection a thread, opened when first needed.

    Before anything was indexed everything is empty. All methods raise the errors of
    :func:`indexer.store.database.translated`.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._file: tuple[int, int] | None = None
        self._epoch = 0
        self._texts = _TextCache()

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._data

    def close(self) -> None:
        """Close the connections of all threads. Idempotent."""
        with self._lock:
            self._closed = True
            for connection in self._open:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
            self._open.clear()

    def generation(self) -> int:
        """Return a number that grows with every publication, also when the file was deleted and built again.

        0 before the first.
        """
        with translated(self._data):
            try:
                status = (self._data / DATABASE).stat()
            except FileNotFoundError:
                return 0
        if self._file != (status.st_dev, status.st_ino):
            with self._lock:
                self._file = (status.st_dev, status.st_ino)
                self._epoch += 1
            self._texts.clear()
        with self._query("SELECT value FROM meta WHERE key = 'generation'") as rows:
            return next(((self._epoch << _EPOCH_BITS) + value for (value,) in rows), 0)

    @property
    def epoch(self) -> int:
        """A number that changes when the file was deleted and built again: no id means then what it meant before."""
        return self._epoch

    def stored_chunks(self) -> int:
        """Return how many chunks are stored, published or not."""
        with self._query("SELECT coalesce(sum(chunk_count), 0) FROM blob") as rows:
            return next((value for (value,) in rows), 0)

    def refs(self) -> list[RefRecord]:
        """Return every published ref, each repository's default first."""
        with self._query(
            "SELECT r.id, p.id, p.name, r.name, r.commit_id, r.version, r.corpus, p.source, p.root, p.git_dir,"
            " p.identity, p.default_ref FROM ref r JOIN repository p ON p.id = r.repository_id"
            " WHERE r.indexed_at > 0 ORDER BY p.name, r.name <> p.default_ref, r.id"
        ) as rows:
            return [RefRecord(*row) for row in rows]

    def statuses(self) -> list[RepositoryStatus]:
        """Return every repository with all of its refs, published or not; ``behind`` is left at -1."""
        refs: dict[int, list[RefStatus]] = {}
        with self._query(f"SELECT ref_id, sum(1 - allowed), sum(allowed) FROM ({_SECRETS}) GROUP BY ref_id") as rows:  # noqa: S608 -- constants  # nosec B608
            secrets = {ref_id: (kept_out, allowed) for ref_id, kept_out, allowed in rows}
        with self._query(
            "SELECT r.id, r.repository_id, r.name, r.commit_id, r.state, r.files, r.chunks, r.skipped, r.indexed_at,"
            " r.error FROM ref r JOIN repository p ON p.id = r.repository_id ORDER BY r.name <> p.default_ref, r.id"
        ) as rows:
            for ref_id, repository_id, name, commit, state, files, chunks, skipped, at, error in rows:
                status = RefStatus(
                    name, commit, IndexState(state), files, chunks, skipped, at, -1, error, *secrets.get(ref_id, (0, 0))
                )
                refs.setdefault(repository_id, []).append(status)
        with self._query("SELECT id, name, source FROM repository ORDER BY name") as rows:
            return [RepositoryStatus(name, source, tuple(refs.get(row_id, ()))) for row_id, name, source in rows]

    def skips(self, ref_id: int) -> list[tuple[str, SkipReason, str]]:
        """Return ``(path, reason, detail)`` of what a ref leaves out, by path."""
        with self._query("SELECT path, reason, detail FROM skip WHERE ref_id = ? ORDER BY path", ref_id) as rows:
            return [(path, SkipReason(reason), detail) for path, reason, detail in rows]

    def secrets(self, ref_id: int) -> list[tuple[str, int, str, bool]]:
        """Return ``(path, line, rule, allowed)`` of every secret in the files of a ref, by path and line."""
        with self._query(
            f"SELECT path, line, rule, allowed FROM ({_SECRETS}) WHERE ref_id = ? ORDER BY path, line, rule",  # noqa: S608 -- constants  # nosec B608
            ref_id,
        ) as rows:
            return [(path, line, rule, bool(allowed)) for path, line, rule, allowed in rows]

    def allowed(self) -> dict[str, set[str]]:
        """Return what the settings allowed when the refs of each repository were published; see ``IndexConfig``."""
        found: dict[str, set[str]] = {}
        with self._query(
            "SELECT p.name, r.options FROM ref r JOIN repository p ON p.id = r.repository_id WHERE r.indexed_at > 0"
        ) as rows:
            for name, options in rows:
                found.setdefault(name, set()).add(options.partition(ALLOWED_MARK)[2])
        return found

    def paths(self, ref_id: int) -> list[str]:
        """Return the paths of a ref in order."""
        with self._query("SELECT path FROM file WHERE ref_id = ? ORDER BY path", ref_id) as rows:
            return [path for (path,) in rows]

    def file(self, ref_id: int, path: str) -> tuple[int, str] | None:
        """Return ``(blob id, language)`` of a file, ``None`` when the ref does not show it."""
        with self._query(
            "SELECT b.id, b.language FROM file f JOIN blob b ON b.id = f.blob_id WHERE f.ref_id = ? AND f.path = ?",
            ref_id,
            path,
        ) as rows:
            return next(rows, None)

    def text(self, blob_id: int) -> str | None:
        """Return the text of a blob, with its own line ends."""
        text = self._texts.get(blob_id)
        if text is None:
            text = self._read_text(blob_id)
            if text is not None:
                self._texts.put(blob_id, text)
        return text

    def lines(self, blob_id: int, start_line: int, end_line: int) -> str:
        """Return lines ``start_line..end_line`` of a blob without the last line's end."""
        return "\n".join((self.text(blob_id) or "").split("\n", end_line)[start_line - 1 : end_line])

    def symbols(self, blob_id: int) -> list[Symbol]:
        """Return the definitions of a blob in their order."""
        with self._query(
            "SELECT name, kind, scope, start_line, end_line, signature, documentation FROM symbol"
            " WHERE blob_id = ? ORDER BY position",
            blob_id,
        ) as rows:
            return [_symbol(row) for row in rows]

    def imports(self, blob_id: int) -> list[Import]:
        """Return the imports of a blob in their order."""
        with self._query("SELECT module, name, alias FROM import WHERE blob_id = ? ORDER BY position", blob_id) as rows:
            return [Import(*row) for row in rows]

    def chunk_ids(self, ref_id: int) -> Ids:
        """Return the ids of all chunks that a ref shows: int64, ascending, each once."""
        with self._query(
            "SELECT first_chunk, chunk_count FROM blob"
            " WHERE chunk_count > 0 AND id IN (SELECT DISTINCT blob_id FROM file WHERE ref_id = ?)",
            ref_id,
        ) as rows:
            return expand_ranges(rows)

    def chunk_ids_at(self, ref_id: int, paths: Iterable[str]) -> Ids:
        """Return the ids of the chunks that a ref shows at ``paths`` and nowhere else: int64, ascending."""
        wanted = set(paths)
        ranges: list[tuple[int, int]] = []
        for part in _parts(sorted(wanted)):
            with self._query(
                f"SELECT DISTINCT b.id, b.first_chunk, b.chunk_count FROM file f JOIN blob b ON b.id = f.blob_id"  # noqa: S608 -- question marks  # nosec B608
                f" WHERE f.ref_id = ? AND f.path IN ({_marks(part)})",
                ref_id,
                *part,
            ) as rows:
                blobs = list(rows)
            for blob_id, first_chunk, count in blobs:
                with self._query("SELECT path FROM file WHERE blob_id = ? AND ref_id = ?", blob_id, ref_id) as rows:
                    if all(path in wanted for (path,) in rows):
                        ranges.append((first_chunk, count))
        return expand_ranges(ranges)

    def chunks(self, ref_ids: Sequence[int], chunk_ids: Sequence[int]) -> list[ChunkRecord]:
        """Return the places of chunks in the given refs, in no order; a chunk may stand at several paths.

        One statement, so that path, commit and chunk belong to one publication. What is not published is left out.
        """
        found: list[ChunkRecord] = []
        for part in _parts(chunk_ids):
            with self._query(
                "SELECT c.id, f.ref_id, r.commit_id, f.path, b.language, b.id, c.start_line, c.end_line, c.symbol,"  # noqa: S608 -- question marks  # nosec B608
                " c.scope, c.kind FROM chunk c JOIN blob b ON b.id = c.blob_id JOIN file f ON f.blob_id = b.id"
                f" JOIN ref r ON r.id = f.ref_id WHERE c.id IN ({_marks(part)}) AND f.ref_id IN ({_marks(ref_ids)})",
                *part,
                *ref_ids,
            ) as rows:
                found += [ChunkRecord(*row) for row in rows]
        return found

    def definitions(self, refs: Sequence[RefRecord], names: Iterable[str], limit: int) -> list[SymbolHit]:
        """Return up to ``limit`` definitions of each of ``names`` (exact spelling) in the given refs."""
        by_id = {ref.ref_id: ref for ref in refs}
        hits: list[SymbolHit] = []
        for part in _parts(sorted(set(names))):
            with self._query(
                f"SELECT * FROM (SELECT {_SYMBOL_COLUMNS}, row_number() OVER"  # noqa: S608 -- question marks  # nosec B608
                " (PARTITION BY s.name ORDER BY f.ref_id, f.path, s.start_line) AS place"
                f" FROM {_SYMBOL_TABLES} WHERE s.name IN ({_marks(part)}) AND f.ref_id IN ({_marks(refs)}))"
                " WHERE place <= ?",
                *part,
                *by_id,
                limit,
            ) as rows:
                hits += [_symbol_hit(row, by_id[row[0]]) for row in rows]
        return hits

    def find_symbols(self, refs: Sequence[RefRecord], query: str, limit: int) -> list[SymbolHit]:
        """Return definitions whose name starts with ``query``, or holds its letters in order, ignoring case."""
        by_id = {ref.ref_id: ref for ref in refs}
        lower = query.lower()
        hits = self._symbols_where(by_id, "s.lower >= ? AND s.lower < ?", (lower, lower + "\U0010ffff"), limit)
        letters = [f"\\{letter}" if letter in "%_\\" else letter for letter in lower]
        # Scattered letters fit nearly every name when they are few.
        patterns = ["".join(letters), *(["%".join(letters)] if len(letters) > 2 else [])]
        seen = {(hit.repository, hit.path, hit.symbol) for hit in hits}
        for pattern in patterns:
            if len(hits) >= limit:
                break
            where = "s.lower IN (SELECT DISTINCT lower FROM symbol WHERE lower LIKE ? ESCAPE '\\' LIMIT ?)"
            for hit in self._symbols_where(by_id, where, (f"%{pattern}%", limit * 20), limit * 4):
                if (key := (hit.repository, hit.path, hit.symbol)) not in seen:
                    seen.add(key)
                    hits.append(hit)
        return hits

    def _symbols_where(
        self, refs: dict[int, RefRecord], where: str, values: tuple[object, ...], limit: int
    ) -> list[SymbolHit]:
        with self._query(
            f"SELECT {_SYMBOL_COLUMNS} FROM {_SYMBOL_TABLES}"  # noqa: S608 -- question marks  # nosec B608
            f" WHERE {where} AND f.ref_id IN ({_marks(tuple(refs))}) LIMIT ?",
            *values,
            *refs,
            limit,
        ) as rows:
            return [_symbol_hit(row, refs[row[0]]) for row in rows]

    def segments(self, embedder: str) -> list[str]:
        """Return the names of the vector segments made by one version of the embedder, oldest first."""
        with self._query("SELECT name FROM segment WHERE embedder = ? ORDER BY id", embedder) as rows:
            return [name for (name,) in rows]

    def check(self) -> None:
        """Read the whole file, which takes seconds on a big index, and raise IndexCorrupt when it is damaged."""
        with self._query("PRAGMA integrity_check(1)") as rows:
            verdict = next((text for (text,) in rows), "ok")
        if verdict != "ok":
            raise IndexCorrupt(f"{self._data / DATABASE} is damaged: {verdict}", advice=REBUILD_ADVICE)
        with self._query("SELECT data FROM content") as rows:
            for (data,) in rows:
                self._unpacked(data)

    def _read_text(self, blob_id: int) -> str | None:
        with self._query("SELECT data FROM content WHERE blob_id = ?", blob_id) as rows:
            data = next((data for (data,) in rows), None)
        return None if data is None else self._unpacked(data)

    def _unpacked(self, data: bytes) -> str:
        try:
            # The format has a checksum of its own.
            return zlib.decompress(data).decode("utf-8", "surrogatepass")
        except (zlib.error, UnicodeError, TypeError) as error:
            message = f"the text of a file in {self._data / DATABASE} is damaged: {error}"
            raise IndexCorrupt(message, advice=REBUILD_ADVICE) from error

    @contextlib.contextmanager
    def _query(self, statement: str, *values: object) -> Iterator[Iterator[tuple[Any, ...]]]:
        with translated(self._data):
            connection = self._connection()
            if connection is None:
                yield iter(())
                return
            cursor = connection.execute(statement, values)
            try:
                yield cursor
            finally:
                cursor.close()

    def _connection(self) -> sqlite3.Connection | None:
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == self._epoch:
            return held[1]
        if self._closed:
            raise RuntimeError("the index was closed")
        connection = connect_reader(self._data)
        if connection is not None:
            with self._lock:
                self._open.append(connection)
            self._local.held = (self._epoch, connection)
        return connection


class _TextCache:
    """The texts read last, bounded by their characters. Blobs never change, so that nothing in it grows stale."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: OrderedDict[int, str] = OrderedDict()
        self._characters = 0

    def get(self, blob_id: int) -> str | None:
        with self._lock:
            text = self._texts.get(blob_id)
            if text is not None:
                self._texts.move_to_end(blob_id)
            return text

    def put(self, blob_id: int, text: str) -> None:
        with self._lock:
            if blob_id in self._texts:
                return
            self._texts[blob_id] = text
            self._characters += len(text)
            while self._characters > _CACHED_CHARACTERS:
                self._characters -= len(self._texts.popitem(last=False)[1])

    def clear(self) -> None:
        with self._lock:
            self._texts.clear()
            self._characters = 0


def expand_ranges(ranges: Iterable[tuple[int, int]]) -> Ids:
    """Turn ``(first, count)`` pairs into the ids they cover: int64, ascending."""
    pairs = np.array(list(ranges), dtype=np.int64).reshape(-1, 2)
    if not len(pairs):
        return np.empty(0, dtype=np.int64)
    pairs = pairs[np.argsort(pairs[:, 0])]
    first, count = pairs[:, 0], pairs[:, 1]
    before = np.cumsum(count) - count
    return np.repeat(first - before, count) + np.arange(count.sum(), dtype=np.int64)


# CROSS JOIN keeps this order: names choose few symbols, a ref has every file.
_SYMBOL_TABLES = (
    "symbol s CROSS JOIN file f ON f.blob_id = s.blob_id CROSS JOIN ref r ON r.id = f.ref_id"
    " CROSS JOIN blob b ON b.id = s.blob_id"
)
_SECRETS = (
    "SELECT f.ref_id, f.path, s.line, s.rule, s.allowed FROM secret s CROSS JOIN file f ON f.blob_id = s.blob_id"
    " UNION ALL SELECT k.ref_id, k.path, s.line, s.rule, s.allowed FROM secret s"
    " CROSS JOIN skip k ON k.blob_id = s.blob_id"
)
_SYMBOL_COLUMNS = (
    "f.ref_id, r.commit_id, f.path, b.language, s.name, s.kind, s.scope, s.start_line, s.end_line, s.signature,"
    " s.documentation"
)


def _symbol_hit(row: tuple[Any, ...], ref: RefRecord) -> SymbolHit:
    return SymbolHit(ref.repository, ref.ref, row[1], row[2], row[3], _symbol(row[4:11]))


def _symbol(row: tuple[Any, ...]) -> Symbol:
    name, kind, *rest = row
    return Symbol(name, SymbolKind(kind), *rest)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _parts(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _VARIABLES):
        yield values[start : start + _VARIABLES]
