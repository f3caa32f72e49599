"""Vectors of chunks in FAISS: the only module that knows FAISS.

A reader takes the segments that are published and searches all of them exactly, with an inner product, on the GPU when
there is one and on the CPU otherwise.
"""

from __future__ import annotations

import importlib.metadata
import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.errors import IndexCorrupt, IndexerError
from indexer.store.segments import ADVICE_CORRUPT, Ids, Scores, read_segment

_log = logging.getLogger(__name__)

_GPU_MARGIN = 32
"""Candidates beyond 2 k that a GPU is asked for."""
_GPU_SCRATCH_BYTES = 64 * 2**20
"""Memory that FAISS may reserve on a GPU for its work; its default of 1.5 GB would be missing to the model."""
_GPU_MAX_K = 2048
"""FAISS's limit for k on a GPU."""
_KEPT_SELECTIONS = 8
_SMALL_SELECTION = 0.02
"""A selection of less than this share of all rows is scored by itself."""


class FaissInstallation(IndexerError):
    """FAISS is missing, or installed twice."""

    exit_code = 12
    code = "faiss-installation"


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a reader that a search may see: made by :meth:`VectorReader.select`.

    ``rows`` is int64[m], ascending; ``bitmap`` uint8[ceil(n / 8)], least significant bit first. It keeps what it was
    made from, so that a refresh between selecting and searching changes nothing.
    """

    state: _State = field(repr=False)
    rows: Ids
    bitmap: npt.NDArray[np.uint8] = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)


class VectorReader:
    """Exact search over the published segments. Safe for many threads.

    Args:
        directory: Where segments are.
        use_gpu: None to use a GPU when FAISS finds one.

    Raises:
        FaissInstallation: FAISS is missing or installed twice.
    """

    def __init__(self, directory: Path, *, use_gpu: bool | None = None) -> None:
        self._directory = directory
        self._faiss = load_faiss()
        self._lock = threading.Lock()
        self._segments: tuple[str, ...] = ()
        self._state = _State(0, np.empty(0, np.int64), None)
        self._selections: deque[tuple[Ids, Selection]] = deque(maxlen=_KEPT_SELECTIONS)
        self._gpu: _Gpu | None = None
        if use_gpu or (use_gpu is None and gpu_count(self._faiss) > 0):
            self._gpu = _Gpu(self._faiss)

    @property
    def device(self) -> str:
        """``"gpu"`` or ``"cpu"``: where the next search runs."""
        return "gpu" if self._gpu is not None else "cpu"

    @property
    def generation(self) -> int:
        """Changes with every refresh that changed what is searched."""
        return self._state.generation

    @property
    def dimensions(self) -> int:
        """Length of the vectors; 0 while there are none."""
        index = self._state.index
        return int(index.d) if index is not None else 0

    @property
    def ids(self) -> Ids:
        """Chunk ids by row, int64[n]."""
        return self._state.ids

    def refresh(self, segments: Sequence[str]) -> None:
        """Search exactly ``segments``: new ones are added; when one vanished, all are read again.

        Raises:
            IndexCorrupt: A segment cannot be read; what was searched before stays.
        """
        with self._lock:
            wanted = tuple(dict.fromkeys(segments))
            if wanted == self._segments:
                return
            fresh = not self._segments or wanted[: len(self._segments)] != self._segments
            added = wanted if fresh else wanted[len(self._segments) :]
            parts = [read_segment(self._directory, name) for name in added]
            parts = [(ids, vectors) for ids, vectors in parts if len(ids)]
            old = self._state
            index = None if fresh else old.index
            dimensions = {vectors.shape[1] for _, vectors in parts} | ({index.d} if index is not None else set())
            if len(dimensions) > 1:
                raise IndexCorrupt(
                    f"vector segments of {sorted(dimensions)} dimensions stand side by side in {self._directory}",
                    advice=ADVICE_CORRUPT,
                )
            if parts:
                # Searches that run now keep the index they have: new rows go to a copy.
                index = self._extended(index, dimensions.pop(), [vectors for _, vectors in parts])
            ids = (
                np.concatenate([*([] if fresh else [old.ids]), *(np.asarray(ids) for ids, _ in parts)])
                if (parts or not fresh)
                else np.empty(0, np.int64)
            )
            self._state = _State(old.generation + 1, ids.astype(np.int64, copy=False), index)
            self._segments = wanted
            if self._gpu is not None:
                self._gpu.forget()

    def select(self, chunk_ids: Ids) -> Selection:
        """Turn chunk ids, each given once, into the rows that a search may see; ids without a vector are left out.

        The last few selections are kept: asking again with the same array object costs nothing.
        """
        state = self._state
        for ids, known in tuple(self._selections):
            if ids is chunk_ids and known.state is state:
                return known
        selection = self._select(state, chunk_ids)
        self._selections.append((chunk_ids, selection))
        return selection

    def without(self, selection: Selection, chunk_ids: Ids) -> Selection:
        """Return ``selection`` less a few chunks, which costs little however many it has."""
        state = selection.state
        rows, _ = state.rows_of(chunk_ids, self._lock)
        bitmap = selection.bitmap.copy()
        np.bitwise_and.at(bitmap, rows >> 3, ~(np.uint8(1) << (rows & 7).astype(np.uint8)))
        kept = np.ones(len(selection.rows), bool)
        places = np.searchsorted(selection.rows, rows)
        places = places[places < len(kept)]
        kept[places[np.isin(selection.rows[places], rows)]] = False
        return Selection(state, selection.rows[kept], bitmap)

    def _select(self, state: _State, chunk_ids: Ids) -> Selection:
        rows, _ = state.rows_of(chunk_ids, self._lock)
        mask = np.zeros(len(state.ids), bool)
        mask[rows] = True
        return Selection(state, np.sort(rows), np.packbits(mask, bitorder="little"))

    def search(self, query: Scores, allowed: Selection | None, k: int) -> tuple[Ids, Scores]:
        """Find the chunks whose vectors have the greatest inner product with ``query``.

        Args:
            query: float32[d], L2-normalised.
            allowed: What may be seen; None for everything.
            k: At most this many.

        Returns:
            Chunk ids int64[n] and scores float32[n], best first; n is k, or everything allowed when that is less.
        """
        state = self._state if allowed is None else allowed.state
        available = len(state.ids) if allowed is None else len(allowed)
        k = min(k, available)
        if state.index is None or k < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        vector = np.ascontiguousarray(query, np.float32).reshape(1, -1)
        if vector.shape[1] != state.index.d:
            message = f"the query has {vector.shape[1]} dimensions, the index {state.index.d}"
            raise ValueError(message)
        if allowed is not None and available < _SMALL_SELECTION * len(state.ids):
            return self._search_rows(state, vector, allowed.rows, k)
        if (gpu := self._gpu) is not None:
            try:
                return gpu.search(state, vector, allowed, k)
            except _BeyondGpu:
                # The GPU is well, the CPU answers this one search.
                pass
            except Exception as error:  # noqa: BLE001 (FAISS raises RuntimeError, AssertionError or what CUDA raised)
                self._lose_gpu(gpu, error)
        rows, scores = self._search_cpu(state, vector, allowed, k)
        return state.ids[rows], scores

    def scores(self, query: Scores, chunk_ids: Ids) -> Scores:
        """Return the inner products of ``query`` with given chunks, float32[n]; 0 for a chunk without a vector."""
        state = self._state
        result = np.zeros(len(chunk_ids), np.float32)
        if state.index is None or not len(chunk_ids):
            return result
        rows, places = state.rows_of(chunk_ids, self._lock)
        if len(rows):
            result[places] = self._vectors(state, rows) @ np.asarray(query, np.float32)
        return result

    def _search_rows(self, state: _State, vector: Scores, rows: Ids, k: int) -> tuple[Ids, Scores]:
        scores = self._vectors(state, rows) @ vector[0]
        best = np.argsort(-scores, kind="stable")[:k]
        return state.ids[rows[best]], scores[best].astype(np.float32)

    def _search_cpu(self, state: _State, vector: Scores, allowed: Selection | None, k: int) -> tuple[Ids, Scores]:
        faiss = self._faiss
        # One query gives several threads nothing to share, and those that wait for it burn their cores. The setting is
        # OpenMP's own for each thread that calls it.
        faiss.omp_set_num_threads(1)
        if allowed is None:
            scores, rows = state.index.search(vector, k)
        else:
            # The constructor takes the number of rows; it reads the bitmap, which this frame keeps alive.
            selector = faiss.IDSelectorBitmap(len(state.ids), faiss.swig_ptr(allowed.bitmap))
            parameters = faiss.SearchParameters(sel=selector)
            scores, rows = state.index.search(vector, k, params=parameters)
        found = rows[0] >= 0
        return rows[0][found], scores[0][found]

    def _vectors(self, state: _State, rows: Ids) -> Scores:
        batch: Scores = state.index.reconstruct_batch(np.ascontiguousarray(rows, np.int64))
        return batch

    def _extended(self, index: Any, dimensions: int, added: Sequence[npt.NDArray[np.float16]]) -> Any:
        faiss = self._faiss
        if index is None:
            index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        else:
            index = faiss.clone_index(index)
        for vectors in added:
            for start in range(0, len(vectors), 65_536):
                index.add(np.ascontiguousarray(vectors[start : start + 65_536], np.float32))
        return index

    def _lose_gpu(self, gpu: _Gpu, error: Exception) -> None:
        with self._lock:
            if self._gpu is not gpu:
                return
            self._gpu = None
        _log.warning(
            "the GPU failed (%s: %s); vectors are searched on the CPU from now on", type(error).__name__, error
        )


def load_faiss() -> Any:
    """Import FAISS after making sure that exactly one distribution provides it.

    Raises:
        FaissInstallation: None or both of faiss-cpu and faiss-gpu are installed.
    """
    installed = [name for name in ("faiss-cpu", "faiss-gpu") if _is_installed(name)]
    if len(installed) > 1:
        raise FaissInstallation(
            "faiss-cpu and faiss-gpu are both installed and overwrite each other's files",
            advice="Run `pip uninstall -y faiss-cpu faiss-gpu`, then install the one for this machine",
        )
    try:
        import faiss  # noqa: PLC0415  # slow to load, and only searches need it
    except ImportError as error:
        raise FaissInstallation(
            f"FAISS cannot be imported: {error}",
            advice="Run `pip install --force-reinstall faiss-cpu`, or faiss-gpu on a machine with CUDA",
        ) from error
    return faiss


def gpu_count(faiss: Any) -> int:
    """Count the GPUs that this FAISS can use; 0 for a CPU build or a broken driver."""
    try:
        return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0
    except Exception as error:  # noqa: BLE001 (a driver that is half installed raises anything)
        _log.warning("FAISS could not count the GPUs (%s); vectors are searched on the CPU", error)
        return 0


class _State:
    """What one generation searches. Replaced as a whole, so that a search never sees two generations."""

    __slots__ = ("_order", "generation", "ids", "index")

    def __init__(self, generation: int, ids: Ids, index: Any) -> None:
        self.generation = generation
        self.ids = ids
        self.index = index
        self._order: tuple[Ids, Ids] | None = None

    def rows_of(self, chunk_ids: Ids, lock: threading.Lock) -> tuple[Ids, Ids]:
        """Return the rows of those of ``chunk_ids`` that have a vector, and their places in ``chunk_ids``."""
        if not len(self.ids) or not len(chunk_ids):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        order, ascending = self._sorted(lock)
        found = np.minimum(np.searchsorted(ascending, chunk_ids), len(ascending) - 1)
        places = np.flatnonzero(ascending[found] == chunk_ids)
        return order[found[places]], places

    def _sorted(self, lock: threading.Lock) -> tuple[Ids, Ids]:
        """Return the rows in the order of their chunk ids, and those ids."""
        if self._order is None:
            with lock:
                if self._order is None:
                    order = np.argsort(self.ids, kind="stable")
                    self._order = (order, self.ids[order])
        return self._order


class _BeyondGpu(Exception):
    """A search that needs more results than FAISS returns from a GPU."""


class _Gpu:
    """The same search on a GPU. Its index is copied there at the first search of a generation."""

    def __init__(self, faiss: Any) -> None:
        self._faiss = faiss
        self._lock = threading.Lock()
        self._resources: Any = None
        self._index: Any = None
        self._generation = -1

    def forget(self) -> None:
        """Let go of the copy."""
        with self._lock:
            self._index, self._generation = None, -1

    def search(self, state: _State, vector: Scores, allowed: Selection | None, k: int) -> tuple[Ids, Scores]:
        # One search at a time: StandardGpuResources is not safe for several threads.
        with self._lock:
            if self._generation != state.generation or self._index is None:
                self._copy(state)
            total = len(state.ids)
            mask = np.ones(total, bool)
            share = 1.0
            if allowed is not None:
                mask = np.unpackbits(allowed.bitmap, count=total, bitorder="little").astype(bool)
                share = len(allowed) / total
            # A GPU multiplies in half precision and takes no selector: it finds more than k candidates, which are
            # scored exactly below, so that the answer is the CPU's.
            wanted = min(2 * k + _GPU_MARGIN, total if allowed is None else len(allowed))
            fetch = min(total, int(wanted / share * (1.0 if allowed is None else 1.5)))
            while True:
                if fetch > _GPU_MAX_K:
                    raise _BeyondGpu
                _, found = self._index.search(vector, fetch)
                rows = found[0][found[0] >= 0]
                rows = rows[mask[rows]]
                if len(rows) >= wanted or fetch >= total:
                    break
                fetch = min(total, fetch * 4)
        rows = np.sort(rows)
        scores = state.index.reconstruct_batch(rows) @ vector[0]
        best = np.argsort(-scores, kind="stable")[:k]
        return state.ids[rows[best]], scores[best]

    def _copy(self, state: _State) -> None:
        faiss = self._faiss
        if self._resources is None:
            self._resources = faiss.StandardGpuResources()
            self._resources.setTempMemory(_GPU_SCRATCH_BYTES)
        options = faiss.GpuClonerOptions()
        options.useFloat16 = True
        flat = faiss.IndexFlatIP(state.index.d)
        for start in range(0, len(state.ids), 65_536):
            rows = np.arange(start, min(start + 65_536, len(state.ids)), dtype=np.int64)
            flat.add(state.index.reconstruct_batch(rows))
        self._index = faiss.index_cpu_to_gpu(self._resources, 0, flat, options)
        self._generation = state.generation


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
