"""What was published at one moment: the refs, and which chunks each of them shows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.embed import Embedder
from indexer.store.catalog import Catalog, Ids, RefRecord
from indexer.store.lexical import LexicalReader
from indexer.store.vectors import VectorReader
from indexer.types import Scope

_KEPT_UNIONS = 16
_NO_IDS: Ids = np.empty(0, dtype=np.int64)


class PublishedChunks:
    """The chunk ids of each ref, read once a publication and shared by the snapshots that follow."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._ids: dict[tuple[int, int], Ids] = {}
        self._unions: dict[tuple[tuple[int, int], ...], Ids] = {}

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
        key = tuple((ref.ref_id, ref.version) for ref in refs)
        ids = self._unions.get(key)
        if ids is None:
            ids = np.sort(np.concatenate([self.of(ref) for ref in refs]))
            ids = ids[np.diff(ids, prepend=-1) > 0]
            with self._lock:
                if len(self._unions) >= _KEPT_UNIONS:
                    self._unions.clear()
                self._unions[key] = ids
        return ids

    def keep(self, refs: Sequence[RefRecord]) -> None:
        """Drop what belongs to other publications than those of ``refs``."""
        kept = {(ref.ref_id, ref.version) for ref in refs}
        with self._lock:
            self._ids = {key: ids for key, ids in self._ids.items() if key in kept}
            self._unions.clear()


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

    def chunk_ids(self, refs: Sequence[RefRecord], exclude: frozenset[tuple[str, str]] = frozenset()) -> Ids:
        """Return what a search may answer with: int64, ascending, each id once.

        Chunks that stand only at excluded ``(repository, path)`` places are not among them.
        """
        if not refs:
            return _NO_IDS
        ids = self.published.of_all(refs)
        hidden: dict[int, Ids] = {}
        for ref in refs:
            paths = [path for repository, path in exclude if repository == ref.repository]
            if paths:
                hidden[ref.ref_id] = self.catalog.chunk_ids_at(ref.ref_id, paths)
        gone = np.concatenate(list(hidden.values())) if hidden else _NO_IDS
        for ref in refs if len(gone) else ():
            # What one ref shows only in an open file, another may show elsewhere.
            shown = _is_among(gone, self.published.of(ref)) & ~_is_among(gone, hidden.get(ref.ref_id, _NO_IDS))
            gone = gone[~shown]
        return np.delete(ids, np.searchsorted(ids, gone)) if len(gone) else ids


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
