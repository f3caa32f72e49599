"""Indexing: in a process of its own, one writer to a data directory at a time."""

from indexer.worker.job import run_job
from indexer.worker.maintenance import discard_index
from indexer.worker.process import spawn, spawn_async

__all__ = ["discard_index", "run_job", "spawn", "spawn_async"]
