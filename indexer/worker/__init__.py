"""Indexing: in a process of its own, one writer to a data directory at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.store.database import discard_index
from indexer.worker.process import spawn, spawn_async
from indexer.worker.upgrade import upgrade_index

if TYPE_CHECKING:
    from indexer.worker.job import run_job

__all__ = ["discard_index", "run_job", "spawn", "spawn_async", "upgrade_index"]


def __getattr__(name: str) -> object:
    """Import ``run_job`` when it is asked for: who only starts a process needs no parser and no index."""
    if name == "run_job":
        from indexer.worker.job import run_job  # noqa: PLC0415  # see above

        return run_job
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
