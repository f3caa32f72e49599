"""Writes blobs: their chunks, symbols and texts, and which documents and vectors belong to them."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.store.database import connect_writer, translated
from indexer.types import Chunk, ParsedFile, SkipReason, Symbol, SymbolKind

# Measured on source code: level 3 takes 60 % of the time of level 6, the default, for 7 % more bytes.
_COMPRESSION = 3
_UNPUBLISHED_SECONDS = 24 * 3600.0

ALLOWED_MARK = "+"
"""In hints, and in the options of refs, what the settings allow of secrets follows it."""


@dataclass(frozen=True, slots=True)
class BlobKey:
    """What a blob is processed by: its content, the language that its path suggests, and what is allowed there."""

    oid: str
    hint: str


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob that was processed; ``reason`` is set when its content keeps it out of the index."""

    blob_id: int
    chunk_count: int
    reason: SkipReason | None
    detail: str


@dataclass(frozen=True, slots=True)
class NewSecret:
    """Where the content of a blob has a secret: its text has it as well only if it is ``allowed``."""

    line: int
    rule: str
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class NewBlob:
    """A blob just processed: ``parsed`` and ``text``, or the reason to leave it out; and where it has secrets."""

    blob_id: int
    key: BlobKey
    size: int
    first_chunk: int = 0
    parsed: ParsedFile | None = None
    text: str = ""
    reason: SkipReason | None = None
    detail: str = ""
    secrets: tuple[NewSecret, ...] = ()


class BlobWriter:
    """The part of the writing side that knows blobs but no repository; see :class:`indexer.store.metadata`."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._connection = connect_writer(data)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def known_blobs(self, keys: Iterable[BlobKey], options: str) -> dict[BlobKey, StoredBlob]:
        """Return those of ``keys`` that were processed with ``options``."""
        known: dict[BlobKey, StoredBlob] = {}
        with self.transaction() as connection:
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (oid BLOB, hint TEXT)")
            connection.execute("DELETE FROM wanted")
            connection.executemany("INSERT INTO wanted VALUES (?, ?)", ((bytes.fromhex(k.oid), k.hint) for k in keys))
            rows = connection.execute(
                "SELECT b.oid, b.hint, b.id, b.chunk_count, b.skip_reason, b.skip_detail FROM wanted w"
                " CROSS JOIN blob b ON b.oid = w.oid AND b.hint = w.hint AND b.options = ?",
                (options,),
            )
            for oid, hint, blob_id, chunks, reason, detail in rows:
                stored = StoredBlob(blob_id, chunks, SkipReason(reason) if reason else None, detail)
                known[BlobKey(oid.hex(), hint)] = stored
        return known

    def reserve(self, blobs: int, chunks: int) -> tuple[int, int]:
        """Reserve ids that no killed run can have used; returns the first blob id and the first chunk id."""
        with self.transaction() as connection:
            first_blob = _advance(connection, "next_blob", blobs)
            first_chunk = _advance(connection, "next_chunk", chunks)
            connection.execute("INSERT INTO pending VALUES (?, ?)", (first_blob, first_blob + blobs - 1))
        return first_blob, first_chunk

    def add_blobs(
        self, blobs: Sequence[NewBlob], options: str, repository_id: int, segment: tuple[str, str, int] | None
    ) -> None:
        """Make processed blobs durable. Their lexical documents and vectors must be on disk already.

        Args:
            blobs: Blobs with ids from :meth:`reserve`.
            options: How they were processed.
            repository_id: The repository that their documents are tagged with.
            segment: ``(name, embedder, vectors)`` of the segment that holds their vectors.
        """
        now = time.time()
        with self.transaction() as connection:
            connection.executemany(
                "INSERT INTO blob VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        blob.blob_id,
                        bytes.fromhex(blob.key.oid),
                        blob.key.hint,
                        options,
                        blob.parsed.language if blob.parsed else "",
                        blob.size,
                        blob.first_chunk,
                        len(blob.parsed.chunks) if blob.parsed else 0,
                        blob.reason or "",
                        blob.detail,
                    )
                    for blob in blobs
                ),
            )
            parsed = [(blob, blob.parsed) for blob in blobs if blob.parsed is not None]
            connection.executemany(
                "INSERT INTO content VALUES (?, ?)",
                (
                    (blob.blob_id, zlib.compress(blob.text.encode("utf-8", "surrogatepass"), _COMPRESSION))
                    for blob, _ in parsed
                ),
            )
            connection.executemany("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)", _chunk_rows(parsed))
            connection.executemany("INSERT INTO symbol VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _symbol_rows(parsed))
            connection.executemany("INSERT INTO import VALUES (?, ?, ?, ?, ?)", _import_rows(parsed))
            connection.executemany(
                # Of two in one line that differ, the one that was kept out is told of.
                "INSERT INTO secret VALUES (?, ?, ?, ?)"
                " ON CONFLICT (blob_id, line, rule) DO UPDATE SET allowed = min(allowed, excluded.allowed)",
                ((blob.blob_id, found.line, found.rule, found.allowed) for blob in blobs for found in blob.secrets),
            )
            connection.executemany(
                "INSERT INTO tag VALUES (?, ?)", ((blob.blob_id, repository_id) for blob, _ in parsed)
            )
            connection.executemany("INSERT INTO candidate VALUES (?, ?)", ((blob.blob_id, now) for blob in blobs))
            if segment is not None:
                connection.execute("INSERT INTO segment (name, embedder, vectors) VALUES (?, ?, ?)", segment)
            if blobs:
                connection.execute("DELETE FROM pending WHERE first_blob = ?", (blobs[0].blob_id,))

    def blobs_to_tag(self, blob_ids: Iterable[int], repository_id: int) -> list[int]:
        """Return those blobs whose documents do not carry the repository's tag yet."""
        with self.transaction() as connection:
            _fill_ids(connection, blob_ids)
            rows = connection.execute(
                "SELECT i.id FROM ids i JOIN blob b ON b.id = i.id WHERE b.chunk_count > 0 AND NOT EXISTS"
                " (SELECT 1 FROM tag t WHERE t.blob_id = i.id AND t.repository_id = ?)",
                (repository_id,),
            ).fetchall()
        return [row[0] for row in rows]

    def tags(self, blob_ids: Iterable[int]) -> dict[int, list[int]]:
        """Return the repositories that each blob's documents are tagged with."""
        tags: dict[int, list[int]] = {}
        with self.transaction() as connection:
            _fill_ids(connection, blob_ids)
            for blob_id, repository_id in connection.execute(
                "SELECT t.blob_id, t.repository_id FROM ids i JOIN tag t ON t.blob_id = i.id"
            ):
                tags.setdefault(blob_id, []).append(repository_id)
        return tags

    def add_tags(self, blob_ids: Iterable[int], repository_id: int) -> None:
        """Record that the blobs' documents now carry the repository's tag."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO tag VALUES (?, ?)", ((blob_id, repository_id) for blob_id in blob_ids)
            )

    def stored_chunks(self, blob_id: int) -> tuple[int, list[Chunk], list[Symbol]]:
        """Return ``(first chunk id, chunks, symbols)`` of one blob; the ids of its chunks follow each other."""
        with translated(self._data):
            first_chunk, count = self._connection.execute(
                "SELECT first_chunk, chunk_count FROM blob WHERE id = ?", (blob_id,)
            ).fetchone()
            rows = self._connection.execute(
                "SELECT start_line, end_line, symbol, kind, scope FROM chunk WHERE id >= ? AND id < ? ORDER BY id",
                (first_chunk, first_chunk + count),
            ).fetchall()
            symbols = self._connection.execute(
                "SELECT name, kind, scope, start_line, end_line, signature, documentation FROM symbol"
                " WHERE blob_id = ? ORDER BY position",
                (blob_id,),
            ).fetchall()
        lines = self.text(blob_id).split("\n")
        chunks = [
            Chunk("\n".join(lines[start - 1 : end]), start, end, symbol, kind, scope)
            for start, end, symbol, kind, scope in rows
        ]
        return first_chunk, chunks, [Symbol(name, SymbolKind(kind), *rest) for name, kind, *rest in symbols]

    def published_blobs(self, ref_id: int) -> list[tuple[str, str, str, str, int]]:
        """Return ``(path, language, object id, what is allowed, blob id)`` of everything a ref shows, by path."""
        with translated(self._data):
            rows = self._connection.execute(
                "SELECT f.path, b.language, b.oid, b.hint, b.id FROM file f JOIN blob b ON b.id = f.blob_id"
                " WHERE f.ref_id = ? ORDER BY f.path",
                (ref_id,),
            ).fetchall()
        return [
            (path, language, oid.hex(), hint.partition(ALLOWED_MARK)[2], blob_id)
            for path, language, oid, hint, blob_id in rows
        ]

    def text(self, blob_id: int) -> str:
        """Return the text of a blob."""
        with translated(self._data):
            row = self._connection.execute("SELECT data FROM content WHERE blob_id = ?", (blob_id,)).fetchone()
        return zlib.decompress(row[0]).decode("utf-8", "surrogatepass")

    def stale_tags(self, limit: int) -> dict[int, list[int]]:
        """Return the repositories that hold each of up to ``limit`` blobs whose documents carry others' tags as well.

        Only blobs that lost a place since the last :meth:`collect` are looked at.
        """
        with translated(self._data):
            rows = self._connection.execute(
                "SELECT DISTINCT t.blob_id FROM candidate c JOIN tag t ON t.blob_id = c.blob_id"
                " WHERE EXISTS (SELECT 1 FROM file f WHERE f.blob_id = t.blob_id) AND NOT EXISTS"
                " (SELECT 1 FROM file f JOIN ref r ON r.id = f.ref_id"
                " WHERE f.blob_id = t.blob_id AND r.repository_id = t.repository_id) LIMIT ?",
                (limit,),
            ).fetchall()
            holders: dict[int, list[int]] = {}
            for (blob_id,) in rows:
                holders[blob_id] = [
                    repository_id
                    for (repository_id,) in self._connection.execute(
                        "SELECT DISTINCT r.repository_id FROM file f JOIN ref r ON r.id = f.ref_id WHERE f.blob_id = ?",
                        (blob_id,),
                    )
                ]
        return holders

    def set_tags(self, tags: dict[int, list[int]]) -> None:
        """Record which tags the documents of blobs carry now."""
        with self.transaction() as connection:
            connection.executemany("DELETE FROM tag WHERE blob_id = ?", ((blob_id,) for blob_id in tags))
            connection.executemany(
                "INSERT INTO tag VALUES (?, ?)",
                ((blob_id, repository_id) for blob_id, ids in tags.items() for repository_id in ids),
            )

    def collect(self, limit: int) -> list[tuple[int, int, int]]:
        """Delete up to ``limit`` blobs that nothing refers to; returns ``(blob id, first chunk id, chunks)`` of each.

        Their ids stay in ``pending`` until :meth:`forget_pending`, because their lexical documents still exist.
        Blobs that never were published are kept for a day: a killed run wants them when it goes on.
        """
        with self.transaction() as connection:
            connection.execute(
                "DELETE FROM candidate WHERE blob_id IN (SELECT blob_id FROM file)"
                " OR blob_id IN (SELECT blob_id FROM skip WHERE blob_id IS NOT NULL)"
            )
            rows = connection.execute(
                "SELECT b.id, b.first_chunk, b.chunk_count FROM candidate c JOIN blob b ON b.id = c.blob_id"
                " WHERE c.since < ? LIMIT ?",
                (time.time() - _UNPUBLISHED_SECONDS, limit),
            ).fetchall()
            for blob_id, first_chunk, count in rows:
                connection.execute("INSERT OR IGNORE INTO pending VALUES (?, ?)", (blob_id, blob_id))
                connection.execute("DELETE FROM chunk WHERE id >= ? AND id < ?", (first_chunk, first_chunk + count))
                for table in ("content", "symbol", "import", "secret", "tag", "candidate"):
                    connection.execute(f"DELETE FROM {table} WHERE blob_id = ?", (blob_id,))  # noqa: S608 -- constants  # nosec B608
                connection.execute("DELETE FROM blob WHERE id = ?", (blob_id,))
        return rows

    def pending_blobs(self) -> list[int]:
        """Return the ids of blobs whose lexical documents must be deleted."""
        with translated(self._data):
            ranges = self._connection.execute("SELECT first_blob, last_blob FROM pending").fetchall()
        return [blob_id for first, last in ranges for blob_id in range(first, last + 1)]

    def forget_pending(self) -> None:
        """Record that no lexical document of a pending blob exists any more."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM pending")

    def segments(self) -> list[tuple[str, str, int]]:
        """Return ``(name, embedder, vectors)`` of every segment in use."""
        with translated(self._data):
            return self._connection.execute("SELECT name, embedder, vectors FROM segment ORDER BY id").fetchall()

    def replace_segments(self, old: Sequence[str], new: tuple[str, str, int] | None) -> None:
        """Put one merged segment in the place of others."""
        with self.transaction() as connection:
            connection.executemany("DELETE FROM segment WHERE name = ?", ((name,) for name in old))
            if new is not None:
                connection.execute("INSERT INTO segment (name, embedder, vectors) VALUES (?, ?, ?)", new)
            next_generation(connection)

    def chunk_count(self) -> int:
        """Return how many chunks are stored."""
        with translated(self._data):
            count: int = self._connection.execute("SELECT coalesce(sum(chunk_count), 0) FROM blob").fetchone()[0]
        return count

    def live_chunks(self) -> list[tuple[int, int]]:
        """Return ``(first chunk id, number)`` of every blob that has chunks, in ascending order."""
        with translated(self._data):
            return self._connection.execute(
                "SELECT first_chunk, chunk_count FROM blob WHERE chunk_count > 0 ORDER BY first_chunk"
            ).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body in one transaction, which is undone when it raises."""
        with translated(self._data):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise


def next_generation(connection: sqlite3.Connection) -> int:
    """Count one more publication, inside the transaction that makes it."""
    return _advance(connection, "generation", 1) + 1


def _advance(connection: sqlite3.Connection, counter: str, by: int) -> int:
    first: int = connection.execute("SELECT value FROM meta WHERE key = ?", (counter,)).fetchone()[0]
    connection.execute("UPDATE meta SET value = value + ? WHERE key = ?", (by, counter))
    return first


def _fill_ids(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS ids (id INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM ids")
    connection.executemany("INSERT OR IGNORE INTO ids VALUES (?)", ((blob_id,) for blob_id in ids))


def _chunk_rows(parsed: Sequence[tuple[NewBlob, ParsedFile]]) -> Iterator[tuple[int | str, ...]]:
    for blob, file in parsed:
        for chunk_id, chunk in enumerate(file.chunks, start=blob.first_chunk):
            yield chunk_id, blob.blob_id, chunk.start_line, chunk.end_line, chunk.symbol, chunk.kind, chunk.scope


def _symbol_rows(parsed: Sequence[tuple[NewBlob, ParsedFile]]) -> Iterator[tuple[int | str, ...]]:
    for blob, file in parsed:
        for position, symbol in enumerate(file.symbols):
            yield (
                blob.blob_id,
                position,
                symbol.name,
                symbol.name.lower(),
                symbol.kind,
                symbol.scope,
                symbol.start_line,
                symbol.end_line,
                symbol.signature,
                symbol.documentation,
            )


def _import_rows(parsed: Sequence[tuple[NewBlob, ParsedFile]]) -> Iterator[tuple[int | str, ...]]:
    for blob, file in parsed:
        for position, imported in enumerate(file.imports):
            yield blob.blob_id, position, imported.module, imported.name, imported.alias
