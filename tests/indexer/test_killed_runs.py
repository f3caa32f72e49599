"""Killing the indexer at any instant loses nothing and corrupts nothing."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import pytest

from indexer.api import Index
from indexer.config import IndexConfig
from indexer.types import Hit, IndexJob, Progress, Scope
from indexer.worker import run_job
from tests.conftest import Repository
from tests.indexer.conftest import IndexInto

MakeRepository = Callable[..., Repository]

KILLS = 20
FILES = 48
CONFIG = IndexConfig(batch_files=6)


class Shown(NamedTuple):
    """Everything that a reader can see of the one ref of an index, without ids."""

    commit: str
    counts: tuple[int, int, int]
    files: Mapping[str, tuple[object, ...]]
    answers: list[list[tuple[str, int, str, str]]]


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    """Starts processes that have imported the worker already, which is most of what a start costs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["indexer.worker", __name__])
    return context


def work(source: str, data: Path, events: Connection) -> None:
    def tell(progress: Progress) -> None:
        events.send((progress.stage, progress.done))

    run_job(IndexJob(source), data, CONFIG, tell)


def start(
    processes: multiprocessing.context.ForkServerContext, source: Path, data: Path
) -> tuple[ForkServerProcess, Connection]:
    """Start indexing and return when it has begun."""
    events, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=work, args=(str(source), data, theirs))
    process.start()
    theirs.close()
    assert events.recv()[0] == "diff"
    return process, events


def shown(data: Path) -> Shown:
    with Index.open(data) as index:
        index.check()
        [status] = index.repositories()
        [ref] = status.refs
        files = {
            path: (
                index.file_text(status.name, ref.ref, path),
                *index.symbols_of(status.name, ref.ref, path),
                *index.imports_of(status.name, ref.ref, path),
            )
            for path in index.paths(status.name, ref.ref)
        }
        answers = [[_visible(hit) for hit in index.search(f"number_{n}", Scope(), 2)] for n in (0, 17, 42)]
    return Shown(ref.commit, (ref.files, ref.chunks, ref.skipped), files, answers)


def _visible(hit: Hit) -> tuple[str, int, str, str]:
    return hit.path, hit.start_line, hit.symbol, hit.text


def source_files(generation: int) -> dict[str, str]:
    return {
        f"pack_{n % 5}/m{n}.py": (
            f"import os\n\n\ndef number_{n}(fuel):\n    return {n} * fuel\n\n\n"
            f"class Kind{n}Of{generation}:\n    def go(self):\n        return number_{n}(os.sep)\n"
        )
        for n in range(FILES)
    }


def test_twenty_kills_at_random_instants_leave_an_index_that_the_next_run_finishes(
    make_repository: MakeRepository,
    index_into: IndexInto,
    data: Path,
    tmp_path: Path,
    processes: multiprocessing.context.ForkServerContext,
) -> None:
    repository = make_repository(source_files(0))
    index_into(repository.path, config=CONFIG)
    published = shown(data)
    generator = random.Random(20)
    repository.commit(source_files(1))
    process, events = start(processes, repository.path, tmp_path / "timed")
    began = time.monotonic()
    process.join()
    span = time.monotonic() - began
    unfinished = 0
    for kill in range(KILLS):
        head = repository.git("rev-parse", "HEAD")
        process, events = start(processes, repository.path, data)
        process.join(generator.random() * span)
        process.kill()
        process.join()
        events.close()
        after = shown(data)
        if after.commit == head:
            published = after
            # The run that was timed may have been a slow one.
            span *= 0.9
            repository.commit(source_files(kill + 2))
        else:
            unfinished += 1
            assert after == published
    assert unfinished >= KILLS // 4, "the kills came too late to test anything"
    index_into(repository.path, config=CONFIG)
    index_into_whole = tmp_path / "whole"
    run_job(IndexJob(str(repository.path)), index_into_whole, CONFIG, lambda _progress: None)
    assert shown(data) == shown(index_into_whole)
    leftovers = {path.name.partition(".")[0] for path in (data / "vectors").iterdir()}
    assert len(leftovers) <= 12, f"segments of killed runs were not cleaned: {sorted(leftovers)}"


def test_a_killed_run_resumes_with_the_batches_it_finished(
    make_repository: MakeRepository,
    index_into: IndexInto,
    data: Path,
    processes: multiprocessing.context.ForkServerContext,
) -> None:
    repository = make_repository(source_files(0))
    process, events = start(processes, repository.path, data)
    while (event := events.recv()) and not (event[0] == "blobs" and event[1] > 0):
        pass
    process.kill()
    process.join()
    events.close()
    [report] = index_into(repository.path, config=CONFIG)
    assert report.files == FILES
    assert 0 < report.blobs_processed < FILES
