"""Search by vectors: FAISS behind segments, on the CPU and on a GPU that may fail."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from indexer.errors import DataDirectoryError, IndexCorrupt
from indexer.store import vectors as module
from indexer.store.segments import read_segment, remove_segments, write_segment
from indexer.store.vectors import FaissInstallation, VectorReader, gpu_count, load_faiss

Matrix = npt.NDArray[np.float32]


def unit(count: int, dimensions: int = 32, seed: int = 0) -> Matrix:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    normalised: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return normalised


def expected(ids: npt.NDArray[np.int64], rows: Matrix, query: Matrix, keep: set[int], k: int) -> list[int]:
    scores = rows.astype(np.float16).astype(np.float32) @ query
    order = [int(ids[row]) for row in np.argsort(-scores, kind="stable") if int(ids[row]) in keep]
    return order[:k]


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Path, list[str], npt.NDArray[np.int64], Matrix]:
    ids = np.random.default_rng(1).permutation(5000)[:3000].astype(np.int64)
    rows = unit(3000)
    names = [write_segment(tmp_path, ids[:1800], rows[:1800]), write_segment(tmp_path, ids[1800:], rows[1800:])]
    return tmp_path, names, ids, rows


@pytest.mark.parametrize("allowed", [None, 3, 40, 1500, 2999])
def test_search_is_exact_whatever_is_allowed(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix], allowed: int | None
) -> None:
    directory, names, ids, rows = filled
    reader = VectorReader(directory, use_gpu=False)
    reader.refresh(names)
    for query in unit(5, seed=9):
        keep = set(ids.tolist()) if allowed is None else set(ids[:allowed].tolist())
        selection = None if allowed is None else reader.select(np.array(sorted(keep | {99_999}), np.int64))
        found, scores = reader.search(query, selection, 20)
        assert found.tolist() == expected(ids, rows, query, keep, 20)
        np.testing.assert_allclose(scores, reader.scores(query, found), atol=1e-5)


def test_a_selection_without_some_chunks_finds_none_of_them(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix],
) -> None:
    directory, names, ids, rows = filled
    reader = VectorReader(directory, use_gpu=False)
    reader.refresh(names)
    query = unit(1, seed=2)[0]
    for selected, gone in ((2000, 7), (40, 3), (40, 40), (40, 0)):
        selection = reader.select(np.sort(ids[:selected]))
        # Chunks that are not selected, or have no vector, are gone already.
        less = reader.without(selection, np.append(np.sort(ids[:gone]), [int(ids[2500]), 99_999]))
        kept = set(ids[gone:selected].tolist())
        assert len(less) == len(kept)
        assert reader.search(query, less, 20)[0].tolist() == expected(ids, rows, query, kept, 20)
        whole = set(ids[:selected].tolist())
        assert reader.search(query, selection, 20)[0].tolist() == expected(ids, rows, query, whole, 20)


def test_half_precision_moves_scores_by_less_than_a_thousandth(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix],
) -> None:
    directory, names, ids, rows = filled
    reader = VectorReader(directory, use_gpu=False)
    reader.refresh(names)
    query = unit(1, seed=5)[0]
    assert np.abs(reader.scores(query, ids) - rows @ query).max() < 1e-3


def test_segments_come_and_go(filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix]) -> None:
    directory, names, ids, rows = filled
    reader = VectorReader(directory, use_gpu=False)
    query = unit(1, seed=3)[0]
    assert reader.search(query, None, 5)[0].tolist() == []
    reader.refresh(names[:1])
    first = reader.generation
    old = reader.select(ids[:10])
    reader.refresh(names)
    assert reader.generation > first
    assert reader.search(query, None, 9)[0].tolist() == expected(ids, rows, query, set(ids.tolist()), 9)
    # A search goes on with what it began with.
    assert reader.search(query, old, 5)[0].tolist() == expected(ids, rows, query, set(ids[:10].tolist()), 5)
    reader.refresh(names[1:])
    assert reader.search(query, None, 9)[0].tolist() == expected(ids, rows, query, set(ids[1800:].tolist()), 9)
    reader.refresh([])
    assert len(reader.select(ids)) == 0
    assert reader.search(query, None, 5)[0].tolist() == []
    again = reader.generation
    reader.refresh([])
    assert reader.generation == again


def test_searches_go_on_while_segments_are_added(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix],
) -> None:
    directory, names, ids, rows = filled
    reader = VectorReader(directory, use_gpu=False)
    reader.refresh(names[:1])
    query = unit(1, seed=4)[0]
    allowed = {tuple(expected(ids, rows, query, set(ids[:1800].tolist()), 5)),
               tuple(expected(ids, rows, query, set(ids.tolist()), 5))}  # fmt: skip
    seen: set[tuple[int, ...]] = set()

    def work() -> None:
        for _ in range(200):
            seen.add(tuple(reader.search(query, None, 5)[0].tolist()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for names_now in (names, names[:1], names):
        reader.refresh(names_now)
    for thread in threads:
        thread.join()
    assert seen <= allowed


def test_an_empty_segment_is_a_segment(tmp_path: Path) -> None:
    name = write_segment(tmp_path, np.empty(0, np.int64), np.empty((0, 8), np.float32))
    reader = VectorReader(tmp_path, use_gpu=False)
    reader.refresh([name])
    assert reader.search(unit(1, 8)[0], None, 3)[0].tolist() == []


def test_damaged_segments_are_reported_and_the_old_ones_stay(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix],
) -> None:
    directory, names, ids, _ = filled
    reader = VectorReader(directory, use_gpu=False)
    reader.refresh(names[:1])
    damaged = directory / f"{names[1]}.vec.npy"
    damaged.write_bytes(damaged.read_bytes()[:500])
    with pytest.raises(IndexCorrupt, match=names[1]):
        reader.refresh(names)
    damaged.unlink()
    with pytest.raises(IndexCorrupt):
        reader.refresh(names)
    assert len(reader.search(unit(1)[0], reader.select(ids), 5)[0]) == 5


def test_vectors_of_two_embedders_are_not_mixed(tmp_path: Path) -> None:
    names = [write_segment(tmp_path, np.array([seed]), unit(1, size)) for seed, size in ((1, 8), (2, 16))]
    with pytest.raises(IndexCorrupt, match="dimensions"):
        VectorReader(tmp_path, use_gpu=False).refresh(names)


def test_segments_that_nobody_names_are_removed(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix],
) -> None:
    directory, names, _, _ = filled
    (directory / "seg-dead.vec.npy.tmp").write_bytes(b"half")
    assert remove_segments(directory, [names[1]]) == 3
    read_segment(directory, names[1])
    with pytest.raises(IndexCorrupt):
        read_segment(directory, names[0])


def test_a_segment_needs_as_many_ids_as_vectors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        write_segment(tmp_path, np.arange(3), unit(2))


def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryError):
        write_segment(tmp_path / "file" / "vectors", np.arange(1), unit(1))


class FakeGpuFaiss:
    """FAISS with a GPU: the real one for everything else, and an index that lives "there" and fails on demand."""

    def __init__(self) -> None:
        self.copies = 0
        self.searches = 0
        self.fail: Callable[[], None] = lambda: None
        self.GpuClonerOptions = SimpleNamespace

    def __getattr__(self, name: str) -> Any:
        return getattr(faiss, name)

    def get_num_gpus(self) -> int:
        return 1

    def StandardGpuResources(self) -> object:  # noqa: N802 (FAISS's name)
        return SimpleNamespace(setTempMemory=lambda _bytes: None)

    def index_cpu_to_gpu(self, _resources: object, _device: int, index: Any, _options: object) -> Any:
        self.copies += 1

        def search(query: Matrix, k: int) -> Any:
            self.searches += 1
            self.fail()
            assert k <= 2048, "a GPU returns no more"
            # A GPU rounds more than a CPU does.
            return index.search((query * 64).round() / 64, k)

        return SimpleNamespace(search=search)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpuFaiss:
    fake = FakeGpuFaiss()
    monkeypatch.setattr(module, "load_faiss", lambda: fake)
    return fake


@pytest.mark.parametrize("allowed", [None, 40, 100, 1500, 2900])
def test_the_gpu_gives_the_answers_of_the_cpu(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix], gpu: FakeGpuFaiss, allowed: int | None
) -> None:
    directory, names, ids, rows = filled
    reader = VectorReader(directory)
    reader.refresh(names)
    assert reader.device == "gpu"
    for query in unit(4, seed=2):
        keep = set(ids.tolist()) if allowed is None else set(ids[-allowed:].tolist())
        selection = None if allowed is None else reader.select(np.array(sorted(keep), np.int64))
        assert reader.search(query, selection, 30)[0].tolist() == expected(ids, rows, query, keep, 30)
    assert reader.device == "gpu"
    assert gpu.copies <= 1


def test_more_results_than_a_gpu_returns_come_from_the_cpu(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix], gpu: FakeGpuFaiss
) -> None:
    directory, names, ids, _ = filled
    reader = VectorReader(directory)
    reader.refresh(names)
    assert len(reader.search(unit(1)[0], None, 2500)[0]) == 2500
    assert len(reader.search(unit(1)[0], reader.select(ids[:2600]), 2500)[0]) == 2500
    assert reader.device == "gpu"
    assert gpu.copies == 1


def test_new_segments_are_copied_to_the_gpu(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix], gpu: FakeGpuFaiss
) -> None:
    directory, names, ids, rows = filled
    reader = VectorReader(directory)
    query = unit(1, seed=6)[0]
    reader.refresh(names[:1])
    reader.search(query, None, 3)
    reader.refresh(names)
    assert reader.search(query, None, 9)[0].tolist() == expected(ids, rows, query, set(ids.tolist()), 9)
    assert gpu.copies == 2


@pytest.mark.parametrize("error", [RuntimeError("CUDA error 2: out of memory"), AssertionError("err == cudaSuccess")])
def test_a_gpu_that_fails_is_left_for_the_cpu_with_one_warning(
    filled: tuple[Path, list[str], npt.NDArray[np.int64], Matrix],
    gpu: FakeGpuFaiss,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    directory, names, ids, rows = filled
    reader = VectorReader(directory)
    reader.refresh(names)
    query = unit(1, seed=7)[0]

    def fail() -> None:
        raise error

    gpu.fail = fail
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert reader.search(query, None, 5)[0].tolist() == expected(ids, rows, query, set(ids.tolist()), 5)
    assert reader.device == "cpu"
    assert gpu.searches == 1
    assert [record.getMessage() for record in caplog.records if "GPU failed" in record.getMessage()] != []
    assert len(caplog.records) == 1


def test_a_driver_that_cannot_count_its_gpus_means_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> int:
        raise RuntimeError("CUDA driver version is insufficient")

    assert gpu_count(SimpleNamespace(StandardGpuResources=object, get_num_gpus=broken)) == 0
    assert gpu_count(SimpleNamespace(get_num_gpus=lambda: 4)) == 0
    assert "insufficient" in caplog.text


def test_two_installed_distributions_of_faiss_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.15")
    with pytest.raises(FaissInstallation, match="both installed") as caught:
        load_faiss()
    assert "pip uninstall -y faiss-cpu faiss-gpu" in caught.value.advice


def test_a_missing_faiss_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # which makes importing it fail
    with pytest.raises(FaissInstallation, match="cannot be imported"):
        load_faiss()
