"""Makes blobs durable in batches: words, then vectors, then one transaction that says they are complete."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.config import IndexConfig
from indexer.embed import Embedder
from indexer.store.blobs import ALLOWED_MARK, BlobKey, NewBlob, StoredBlob
from indexer.store.lexical import LexicalDocument, LexicalWriter
from indexer.store.metadata import MetadataWriter
from indexer.store.segments import write_segment
from indexer.types import Chunk, Symbol
from indexer.worker.plan import Wanted
from indexer.worker.reading import ReadBlob

_RETAG_BLOBS = 1000


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything a run writes to, and how blobs are processed in it.

    ``options`` is the way of every blob, and ``allowed`` what the settings allow of secrets, which is the matter of
    some paths; see :class:`indexer.config.IndexConfig` for both digests.
    """

    data: Path
    metadata: MetadataWriter
    lexical: LexicalWriter
    embedder: Embedder
    options: str
    allowed: str = ""

    @property
    def ref_options(self) -> str:
        """How the files of a ref are processed."""
        return f"{self.options}{ALLOWED_MARK}{self.allowed}" if self.allowed else self.options

    @property
    def vectors(self) -> Path:
        """Directory of the vector segments."""
        return self.data / "vectors"


def batches(blobs: Iterable[tuple[Wanted, ReadBlob]], config: IndexConfig) -> Iterator[list[tuple[Wanted, ReadBlob]]]:
    """Group blobs so that a batch has about ``batch_files`` files and ``batch_bytes`` bytes at most."""
    batch: list[tuple[Wanted, ReadBlob]] = []
    size = 0
    for wanted, read in blobs:
        batch.append((wanted, read))
        size += len(read.text)
        if len(batch) >= config.batch_files or size >= config.batch_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def write_batch(
    stores: Stores, batch: Sequence[tuple[Wanted, ReadBlob]], repository_id: int
) -> dict[BlobKey, StoredBlob]:
    """Make one batch durable and return what it became.

    Killed at any point, nothing of the batch is visible: ids are reserved first, and what was written under reserved
    ids that no row of ``blob`` has is deleted by the next run.
    """
    total = sum(len(read.parsed.chunks) for _, read in batch if read.parsed)
    blob_id, chunk_id = stores.metadata.reserve(len(batch), total)
    blobs: list[NewBlob] = []
    for wanted, read in batch:
        parsed = read.parsed
        blobs.append(
            NewBlob(
                blob_id, wanted.key, wanted.size, chunk_id, parsed, read.text, read.reason, read.detail, read.secrets
            )
        )
        blob_id += 1
        chunk_id += len(parsed.chunks) if parsed else 0
    segment: tuple[str, str, int] | None = None
    if total:
        texts: list[str] = []
        for blob in blobs:
            if blob.parsed:
                chunks = blob.parsed.chunks
                stores.lexical.add(
                    lexical_documents(blob.blob_id, blob.first_chunk, chunks, blob.parsed.symbols, (repository_id,))
                )
                texts += [chunk.text for chunk in chunks]
        stores.lexical.commit()
        ids = np.arange(chunk_id - total, chunk_id, dtype=np.int64)
        name = write_segment(stores.vectors, ids, stores.embedder.embed_chunks(texts))
        segment = (name, stores.embedder.version, total)
    stores.metadata.add_blobs(blobs, stores.options, repository_id, segment)
    return {
        blob.key: StoredBlob(blob.blob_id, len(blob.parsed.chunks) if blob.parsed else 0, blob.reason, blob.detail)
        for blob in blobs
    }


def tag_blobs(stores: Stores, blob_ids: Iterable[int], repository_id: int) -> int:
    """Let searches in one more repository find blobs that were processed for another; returns how many needed it."""
    missing = stores.metadata.blobs_to_tag(blob_ids, repository_id)
    for start in range(0, len(missing), _RETAG_BLOBS):
        part = missing[start : start + _RETAG_BLOBS]
        tags = stores.metadata.tags(part)
        rewrite(stores, {blob_id: (*tags.get(blob_id, ()), repository_id) for blob_id in part})
        stores.metadata.add_tags(part, repository_id)
    return len(missing)


def rewrite(stores: Stores, repositories: dict[int, tuple[int, ...]]) -> None:
    """Write the lexical documents of stored blobs again with new tags, in one commit."""
    stores.lexical.delete_blobs(repositories)
    for blob_id, repository_ids in repositories.items():
        first_chunk, chunks, symbols = stores.metadata.stored_chunks(blob_id)
        stores.lexical.add(lexical_documents(blob_id, first_chunk, chunks, symbols, repository_ids))
    stores.lexical.commit()


def lexical_documents(
    blob_id: int,
    first_chunk: int,
    chunks: Sequence[Chunk],
    symbols: Sequence[Symbol],
    repository_ids: tuple[int, ...],
) -> Iterator[LexicalDocument]:
    """Yield the document of each chunk: its text, and the names it defines with what encloses them."""
    ordered = sorted(symbols, key=lambda symbol: symbol.start_line)
    starts = [symbol.start_line for symbol in ordered]
    for chunk_id, chunk in enumerate(chunks, start=first_chunk):
        first = bisect.bisect_left(starts, chunk.start_line)
        last = bisect.bisect_right(starts, chunk.end_line)
        names = dict.fromkeys((chunk.scope, chunk.symbol, *(symbol.name for symbol in ordered[first:last])))
        yield LexicalDocument(chunk_id, blob_id, repository_ids, chunk.text, " ".join(filter(None, names)))
