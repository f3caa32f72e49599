"""What keeps the index clean: leftovers of killed runs, blobs nobody refers to, many small segments."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from indexer.errors import IndexCorrupt
from indexer.store.catalog import Ids, expand_ranges
from indexer.store.database import DATABASE, REBUILD_ADVICE
from indexer.store.lexical import LexicalReader
from indexer.store.segments import read_segment, remove_segments, write_segment
from indexer.worker.batches import Stores, rewrite

_COLLECT_BLOBS = 2_000
_MOST_COLLECTED = 200_000
_MANY_SEGMENTS = 12
_SMALL_SEGMENT = 50_000
_DEAD_SHARE = 0.3


def recover(stores: Stores) -> None:
    """Delete what a killed run left behind; nothing of it was ever visible.

    Raises:
        IndexCorrupt: Words are missing that were promised, as after deleting files by hand.
    """
    stores.metadata.reset_states()
    delete_pending(stores)
    remove_segments(stores.vectors, keep={name for name, _, _ in stores.metadata.segments()})
    _remove_other_corpora(stores.data / "corpora", stores.metadata.corpora())
    stored, found = stores.metadata.chunk_count(), LexicalReader(stores.data / "lexical").documents
    if found < stored:
        raise IndexCorrupt(
            f"{stores.data / 'lexical'} has {found:,} documents, {DATABASE} speaks of {stored:,}", advice=REBUILD_ADVICE
        )


def delete_pending(stores: Stores) -> None:
    """Delete the lexical documents of blobs that have no row (any more)."""
    pending = stores.metadata.pending_blobs()
    if pending:
        stores.lexical.delete_blobs(pending)
        stores.lexical.commit()
        stores.metadata.forget_pending()


def collect_garbage(stores: Stores) -> int:
    """Delete blobs that no publication refers to, up to a bound; returns how many."""
    _remove_stale_tags(stores)
    collected = 0
    while collected < _MOST_COLLECTED:
        gone = stores.metadata.collect(_COLLECT_BLOBS)
        if not gone:
            break
        # The rows went first: a kill between the two leaves documents without rows, which no search shows.
        delete_pending(stores)
        collected += len(gone)
    return collected


def _remove_stale_tags(stores: Stores) -> None:
    """Let searches in a repository no longer meet blobs that only others hold; none would have been shown."""
    while stale := stores.metadata.stale_tags(_COLLECT_BLOBS):
        rewrite(stores, {blob_id: tuple(holders) for blob_id, holders in stale.items()})
        stores.metadata.set_tags(stale)


def merge_segments(stores: Stores, *, collected: bool = False) -> None:
    """Merge small vector segments, and those of which much was deleted, so that a search opens few files."""
    segments = stores.metadata.segments()
    for embedder in {embedder for _, embedder, _ in segments}:
        mine = [(name, vectors) for name, other, vectors in segments if other == embedder]
        small = [name for name, vectors in mine if vectors < _SMALL_SEGMENT]
        chosen = small if len(small) >= _MANY_SEGMENTS else []
        if collected:
            live = expand_ranges(stores.metadata.live_chunks())
            chosen = sorted(
                {*chosen, *(name for name, _ in mine if _dead_share(stores.vectors, name, live) > _DEAD_SHARE)}
            )
        if chosen:
            _merge(stores, chosen, embedder)


def drop_corpora(stores: Stores) -> None:
    """Delete corpora that no ref names any more; readers that have them mapped keep them."""
    _remove_other_corpora(stores.data / "corpora", stores.metadata.corpora())


def _merge(stores: Stores, names: list[str], embedder: str) -> None:
    live = expand_ranges(stores.metadata.live_chunks())
    ids_parts, vector_parts = [], []
    for name in names:
        segment_ids, segment_vectors = read_segment(stores.vectors, name)
        kept = np.isin(segment_ids, live, assume_unique=True)
        ids_parts.append(segment_ids[kept])
        vector_parts.append(segment_vectors[kept])
    ids = np.concatenate(ids_parts)
    new = None
    if len(ids):
        order = np.argsort(ids, kind="stable")
        vectors = np.concatenate(vector_parts)[order].astype(np.float32)
        new = (write_segment(stores.vectors, ids[order], vectors), embedder, len(ids))
    stores.metadata.replace_segments(names, new)
    remove_segments(stores.vectors, keep={name for name, _, _ in stores.metadata.segments()})


def _dead_share(directory: Path, name: str, live: Ids) -> float:
    ids, _ = read_segment(directory, name)
    return float(1.0 - np.isin(ids, live, assume_unique=True).mean()) if len(ids) else 1.0


def _remove_other_corpora(directory: Path, keep: set[str]) -> None:
    if directory.is_dir():
        for child in directory.iterdir():
            if child.name not in keep:
                shutil.rmtree(child, ignore_errors=True)
