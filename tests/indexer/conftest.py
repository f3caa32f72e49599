"""Fixtures of the indexer's tests: a data directory, and a way to index into it without a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indexer.api import Index
from indexer.config import IndexConfig
from indexer.types import IndexJob, IndexReport, Progress
from indexer.worker import run_job

IndexInto = Callable[..., list[IndexReport]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def index_into(data: Path) -> IndexInto:
    """Return ``(source, *refs, name="", prune=False, config=None) -> reports``, which indexes in this process."""

    def run(
        source: Path | str, *refs: str, name: str = "", prune: bool = False, config: IndexConfig | None = None
    ) -> list[IndexReport]:
        def ignore(_progress: Progress) -> None:
            pass

        return run_job(IndexJob(str(source), name, refs, prune), data, config or IndexConfig(), ignore)

    return run


@pytest.fixture
def opened(data: Path) -> Iterator[Index]:
    """The reading side of ``data``; call ``refresh()`` after indexing."""
    with Index.open(data) as index:
        yield index
