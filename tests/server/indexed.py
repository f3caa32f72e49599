"""A real index of a real repository for tests of what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from indexer.api import Index
from indexer.config import IndexConfig
from indexer.types import IndexJob
from indexer.worker import run_job
from tests.conftest import Repository


def build_index(data: Path, repositories: Sequence[Repository]) -> Index:
    """Index ``repositories`` under the names of their directories and open what was published."""
    for repository in repositories:
        run_job(IndexJob(str(repository.path), name=repository.path.name), data, IndexConfig(), lambda _: None)
    return Index.open(data)
