"""Words of chunks in tantivy: the only module that knows tantivy.

Text is tokenised here (see :mod:`indexer.tokens`); tantivy sees terms separated by spaces and only counts. Which
repositories may be read is part of the query, so that their documents compete among themselves alone.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import tantivy

from indexer.errors import DataDirectoryError, DiskFull, IndexBusy, IndexCorrupt, IndexerError
from indexer.tokens import joined_code_terms

WRITER_HEAP_BYTES = 64_000_000
"""Memory that a writer fills before it writes a segment."""

_SUFFIXES = ("fast", "fieldnorm", "idx", "pos", "store", "term")
# tantivy ends its files with a JSON object that has a CRC-32 of what comes before, the object's length and this number.
_FOOTER = struct.Struct("<II")
_FOOTER_MAGIC = 1337

_ADVICE_CORRUPT = "Build the index again with: hearth index --rebuild REPO"


@dataclass(frozen=True, slots=True)
class LexicalDocument:
    """What of one chunk is searched by words.

    Attributes:
        chunk_id: Row id of the chunk.
        blob_id: Row id of its blob; documents are deleted by it.
        repository_ids: Every repository that holds the blob.
        text: The chunk's text.
        names: Names defined in the chunk and the chain of what encloses it (``"Engine.Stream"``); they count more.
    """

    chunk_id: int
    blob_id: int
    repository_ids: tuple[int, ...]
    text: str
    names: str = ""


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """How much a match in each field counts."""

    text: float = 1.0
    names: float = 0.6


class LexicalWriter:
    """Adds and deletes documents; nothing is visible before :meth:`commit`. A context manager, which rolls back.

    Raises:
        IndexBusy: Another process writes to this directory.
        IndexCorrupt: The directory cannot be read as an index.
        DataDirectoryError: It cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._index = _open(directory, create=True)
        with _translated(directory):
            self._writer = self._index.writer(heap_size=WRITER_HEAP_BYTES, num_threads=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, documents: Iterable[LexicalDocument]) -> None:
        """Add documents. To change one, delete its blob first, in the same commit."""
        with _translated(self._directory):
            for document in documents:
                row = tantivy.Document()
                row.add_unsigned("chunk", document.chunk_id)
                row.add_unsigned("blob", document.blob_id)
                for repository_id in document.repository_ids:
                    row.add_unsigned("repository", repository_id)
                row.add_text("text", joined_code_terms(document.text))
                row.add_text("names", joined_code_terms(document.names))
                self._writer.add_document(row)

    def delete_blobs(self, blob_ids: Iterable[int]) -> None:
        """Delete every document of these blobs that was added before this call."""
        with _translated(self._directory):
            blobs = [int(item) for item in blob_ids]
            if blobs:
                # By query: the binding's delete by term does not find terms of unsigned fields.
                self._writer.delete_documents_by_query(tantivy.Query.term_set_query(self._index.schema, "blob", blobs))

    def commit(self) -> None:
        """Make all changes durable and visible at once.

        Raises:
            DiskFull: They could not be written; what was committed before stands.
        """
        with _translated(self._directory):
            self._writer.commit()

    def close(self) -> None:
        """Drop what was not committed and let go of the directory's lock, when running merges have ended."""
        # Nothing was promised about uncommitted changes; a writer that failed before cannot roll back.
        with contextlib.suppress(IndexerError), _translated(self._directory):
            self._writer.rollback()
            self._writer.wait_merging_threads()


class LexicalReader:
    """Searches what was committed at the last :meth:`refresh`. Safe for many threads.

    Raises:
        IndexCorrupt: The directory cannot be read as an index.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._index: tantivy.Index | None = None
        self._searcher: tantivy.Searcher | None = None
        self.refresh()

    def refresh(self) -> None:
        """Show what has been committed since."""
        if self._index is None:
            try:
                if not (self._directory / "meta.json").exists():
                    return
            except PermissionError as error:
                raise DataDirectoryError(
                    f"{self._directory} cannot be used: permission denied",
                    advice="Make it writable, or pass another --data",
                ) from error
            self._index = _open(self._directory, create=False)
        with _translated(self._directory):
            self._index.reload()
            self._searcher = self._index.searcher()

    @property
    def documents(self) -> int:
        """Documents that a search can find."""
        return self._searcher.num_docs if self._searcher is not None else 0

    def search(
        self,
        terms: Mapping[str, float],
        repository_ids: Sequence[int] | None,
        limit: int,
        *,
        weights: FieldWeights = FieldWeights(),
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Rank chunks by BM25.

        Args:
            terms: Terms as :func:`indexer.tokens.code_terms` makes them, with their weights.
            repository_ids: Only documents of these repositories compete; None for all.
            limit: At most this many.
            weights: How much each field counts.

        Returns:
            Chunk ids int64[n] and scores float32[n], best first.
        """
        empty = np.empty(0, np.int64), np.empty(0, np.float32)
        searcher, index = self._searcher, self._index
        if searcher is None or index is None or not terms or limit < 1 or searcher.num_docs == 0:
            return empty
        if repository_ids is not None and not len(repository_ids):
            return empty
        schema = index.schema
        query = tantivy.Query.boolean_query(
            [
                (
                    tantivy.Occur.Should,
                    tantivy.Query.boost_query(
                        tantivy.Query.term_query(schema, name, term, index_option="freq"), weight * field_weight
                    ),
                )
                for term, weight in terms.items()
                for name, field_weight in (("text", weights.text), ("names", weights.names))
                if weight * field_weight > 0
            ]
        )
        return self._ranked(searcher, self._within(schema, query, repository_ids), limit)

    def _within(
        self, schema: tantivy.Schema, query: tantivy.Query, repository_ids: Sequence[int] | None
    ) -> tantivy.Query:
        if repository_ids is None:
            return query
        readable = tantivy.Query.term_set_query(schema, "repository", [int(item) for item in repository_ids])
        return tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, query), (tantivy.Occur.Must, tantivy.Query.const_score_query(readable, 0.0))]
        )

    def _ranked(
        self, searcher: tantivy.Searcher, query: tantivy.Query, limit: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        with _translated(self._directory):
            hits = searcher.search(query, limit=min(limit, searcher.num_docs), count=False).hits
            chunks = searcher.fast_field_values("chunk", [address for _, address in hits])
        scores = np.fromiter((score for score, _ in hits), np.float32, len(hits))
        return np.fromiter((int(item or 0) for item in chunks), np.int64, len(hits)), scores


def check_lexical(directory: Path) -> None:
    """Hold every file against the checksum that tantivy wrote at its end; takes seconds on a big index.

    Raises:
        IndexCorrupt: One is missing, or not what was written.
        DataDirectoryError: One cannot be read.
    """
    try:
        listing = (directory / "meta.json").read_bytes()
        while True:
            try:
                for name in _listed(listing):
                    _check(directory / name)
            except (IndexCorrupt, FileNotFoundError):
                # A writer takes away what it has merged; then there is another list.
                checked, listing = listing, (directory / "meta.json").read_bytes()
                if listing == checked:
                    raise
            else:
                return
    except (ValueError, LookupError, TypeError, AttributeError, FileNotFoundError) as error:
        raise IndexCorrupt(f"{directory} cannot be read: {error}", advice=_ADVICE_CORRUPT) from error
    except OSError as error:
        raise DataDirectoryError(f"{directory} cannot be used: {error.strerror or error}") from error


def _listed(listing: bytes) -> Iterator[str]:
    """Return the names of the files that tantivy's list of segments speaks of."""
    for segment in json.loads(listing)["segments"]:
        name = segment["segment_id"].replace("-", "")
        yield from (f"{name}.{suffix}" for suffix in _SUFFIXES)
        if segment["deletes"] is not None:
            yield f"{name}.{segment['deletes']['opstamp']}.del"


def _check(file: Path) -> None:
    content = file.read_bytes()
    try:
        length, magic = _FOOTER.unpack(content[-_FOOTER.size :])
        end = len(content) - _FOOTER.size - length
        written = json.loads(content[end : -_FOOTER.size])["crc"] if magic == _FOOTER_MAGIC else None
    except (struct.error, ValueError, KeyError, TypeError):
        written = None
    if written is None or zlib.crc32(memoryview(content)[:end]) != written:
        raise IndexCorrupt(f"{file} is not what was written", advice=_ADVICE_CORRUPT)


def remove(directory: Path) -> None:
    """Delete a lexical index, for example one that is corrupt."""
    shutil.rmtree(directory, ignore_errors=True)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("chunk", indexed=True, fast=True)
    builder.add_unsigned_field("blob", indexed=True)
    builder.add_unsigned_field("repository", indexed=True)
    for name in ("text", "names"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _open(directory: Path, *, create: bool) -> tantivy.Index:
    try:
        with _translated(directory):
            if create:
                directory.mkdir(parents=True, exist_ok=True)
                return tantivy.Index(_schema(), path=str(directory), reuse=True)
            return tantivy.Index.open(str(directory))
    except OSError as error:
        raise DataDirectoryError(
            f"{directory} cannot be used: {error.strerror or error}", advice="Make it writable, or pass another --data"
        ) from error


@contextlib.contextmanager
def _translated(directory: Path) -> Iterator[None]:
    """Turn what tantivy raises into errors of ours."""
    try:
        yield
    except ValueError as error:
        raise _mapped(error, directory) from error
    except BaseException as error:
        # What tantivy takes for impossible, as damaged files make it, comes as an exception whose type has no other
        # name to be caught by, and that no `except Exception` would catch.
        if type(error).__name__ != "PanicException":
            raise
        raise IndexCorrupt(f"{directory} cannot be read: {str(error)[:300]}", advice=_ADVICE_CORRUPT) from error


def _mapped(error: ValueError, directory: Path) -> IndexCorrupt | IndexBusy | DiskFull | DataDirectoryError:
    text = str(error)
    lowered = text.lower()
    if "lockbusy" in lowered or "failed to acquire lockfile" in lowered:
        return IndexBusy(
            f"{directory} is being written by another process", advice="Wait for the other `hearth index` to end"
        )
    if any(sign in lowered for sign in ("no space left", "storagefull", "quota exceeded", "file too large")):
        return DiskFull(f"{directory} could not be written: no space is left", advice="Free some space and index again")
    if "permission denied" in lowered or "permissiondenied" in lowered or "read-only file system" in lowered:
        return DataDirectoryError(
            f"{directory} cannot be used: permission denied", advice="Make it writable, or pass another --data"
        )
    return IndexCorrupt(f"{directory} cannot be read: {text[:300]}", advice=_ADVICE_CORRUPT)
