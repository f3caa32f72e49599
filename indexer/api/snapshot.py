"""What was published at one moment: the refs, and which chunks each of them shows."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.embed import Embedder
from indexer.store.catalog import Catalog, ChunkRecord, Ids, RefRecord
from indexer.store.lexical import LexicalReader
from indexer.store.vectors import VectorReader
from indexer.types import Scope

_KEPT_UNIONS = 16
_KEPT_RECORDS = 40_000
"""Places of chunks in memory, some 400 bytes each."""
_NO_IDS: Ids = np.empty(0, dtype=np.int64)


class PublishedChunks:
    """Which chunks each ref shows and where, read once a publication and shared by the snapshots that follow."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._ids: dict[tuple[int, int], Ids] = {}
        self._unions: dict[tuple[tuple[int, int], ...], Ids] = {}
        self._records: dict[tuple[tuple[int, int], ...], dict[int, tuple[ChunkRecord, ...]]] = {}

    def of(self, ref: RefRecord) -> Ids:
        """Return the chunk ids of a ref: int64, ascending, each once."""
        key = (ref.ref_id, ref.version)
        ids = self._ids.get(key)
        if ids is None:
            with self._lock:
                ids = self._ids.get(key)
                if ids is None:
                    ids = self._catalog.chunk_ids(ref.ref_id)
                    self._ids[key] = ids
        return ids

    def of_all(self, refs: Sequence[RefRecord]) -> Ids:
        """Return the chunk ids of several refs: int64, ascending, each once, and the same array every time."""
        if len(refs) == 1:
            return self.of(refs[0])
        key = _key(refs)
        ids = self._unions.get(key)
        if ids is None:
            ids = np.sort(np.concatenate([self.of(ref) for ref in refs]))
            ids = ids[np.diff(ids, prepend=-1) > 0]
            with self._lock:
                if len(self._unions) >= _KEPT_UNIONS:
                    self._unions.clear()
                self._unions[key] = ids
        return ids

    def records(self, refs: Sequence[RefRecord], ids: Sequence[int]) -> list[ChunkRecord]:
        """Return where chunks stand in some refs, in the order of ``ids``; a chunk may stand at several paths.

        The searches of one document ask for much the same chunks again and again, so those read lately are kept.
        """
        with self._lock:
            known = self._records.setdefault(_key(refs), {})
            if sum(map(len, self._records.values())) > _KEPT_RECORDS:
                known = {}
                self._records = {_key(refs): known}
        unread = [chunk_id for chunk_id in ids if chunk_id not in known]
        if unread:
            found: defaultdict[int, list[ChunkRecord]] = defaultdict(list)
            for record in self._catalog.chunks([ref.ref_id for ref in refs], unread):
                found[record.chunk_id].append(record)
            known.update((chunk_id, tuple(found[chunk_id])) for chunk_id in unread)
        return [record for chunk_id in ids for record in known.get(chunk_id, ())]

    def keep(self, refs: Sequence[RefRecord]) -> None:
        """Drop what belongs to other publications than those of ``refs``."""
        kept = {(ref.ref_id, ref.version) for ref in refs}
        with self._lock:
            self._ids = {key: ids for key, ids in self._ids.items() if key in kept}
            self._unions.clear()
            self._records.clear()


@dataclass(frozen=True, slots=True)
class ShownChunks:
    """What a search may answer with.

    Attributes:
        ids: Chunks of some refs: int64, ascending, each once; the same array every time for the same refs.
        hidden: Those of them that are left out: int64, ascending. A few: those of the documents that are open.
    """

    ids: Ids
    hidden: Ids

    def __len__(self) -> int:
        return len(self.ids) - len(self.hidden)

    def has(self, ids: Ids) -> NDArray[np.bool_]:
        """Tell for each of ``ids`` whether it may be in an answer."""
        return _is_among(ids, self.ids) & ~_is_among(ids, self.hidden)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable view for one or many searches; :meth:`indexer.api.Index.refresh` puts a newer one in its place.

    Attributes:
        generation: Grows with every publication.
        refs: Every published ref.
        catalog: Files, symbols and chunks by id.
        lexical: Search by words; ``None`` before anything was indexed.
        vectors: Search by vector; ``None`` before anything was indexed.
        embedder: What made the vectors.
        published: Chunk ids by ref.
    """

    generation: int
    refs: tuple[RefRecord, ...]
    catalog: Catalog
    lexical: LexicalReader | None
    vectors: VectorReader | None
    embedder: Embedder
    published: PublishedChunks

    def select(self, scope: Scope) -> list[RefRecord]:
        """Return the refs that a scope may see, one for each repository.

        An empty ``scope.ref`` means the default ref; else the ref of that name, or one indexed at that commit.
        """
        return select_refs(self.refs, scope)

    def find(self, repository: str, ref: str = "") -> RefRecord | None:
        """Return one ref of one repository, ``None`` when it was not indexed."""
        return next(iter(self.select(Scope(frozenset({repository}), ref))), None)

    def chunks(self, refs: Sequence[RefRecord], exclude: frozenset[tuple[str, str]] = frozenset()) -> ShownChunks:
        """Return the chunks of ``refs``, without those that stand only at excluded ``(repository, path)`` places."""
        if not refs:
            return ShownChunks(_NO_IDS, _NO_IDS)
        hidden: dict[int, Ids] = {}
        for ref in refs:
            paths = [path for repository, path in exclude if repository == ref.repository]
            if paths:
                hidden[ref.ref_id] = self.catalog.chunk_ids_at(ref.ref_id, paths)
        ids = self.published.of_all(refs)
        gone = np.unique(np.concatenate(list(hidden.values()))) if hidden else _NO_IDS
        # The catalog may know a newer publication already.
        gone = gone[_is_among(gone, ids)]
        for ref in refs if len(gone) else ():
            # What one ref shows only in an open file, another may show elsewhere.
            shown = _is_among(gone, self.published.of(ref)) & ~_is_among(gone, hidden.get(ref.ref_id, _NO_IDS))
            gone = gone[~shown]
        return ShownChunks(ids, gone)


def _key(refs: Sequence[RefRecord]) -> tuple[tuple[int, int], ...]:
    return tuple((ref.ref_id, ref.version) for ref in refs)


def _is_among(ids: Ids, ascending: Ids) -> NDArray[np.bool_]:
    """Tell for each of ``ids`` whether it is in ``ascending``."""
    if not len(ascending):
        return np.zeros(len(ids), dtype=np.bool_)
    places = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    among: NDArray[np.bool_] = ascending[places] == ids
    return among


def select_refs(refs: Iterable[RefRecord], scope: Scope) -> list[RefRecord]:
    """Return the refs that a scope may see; see :meth:`Snapshot.select`."""
    chosen: dict[int, RefRecord] = {}
    for ref in refs:
        if scope.repositories is not None and ref.repository not in scope.repositories:
            continue
        # Refs of one repository come default first, so that the first that fits is the right one.
        by_commit = len(scope.ref) >= 7 and ref.commit.startswith(scope.ref)
        if not scope.ref or ref.ref == scope.ref or by_commit:
            known = chosen.get(ref.repository_id)
            if known is None or (scope.ref and ref.ref == scope.ref != known.ref):
                chosen[ref.repository_id] = ref
    return list(chosen.values())
