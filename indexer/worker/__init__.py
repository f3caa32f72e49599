"""Indexing: in a process of its own, one writer to a data directory at a time."""

from indexer.worker.job import run_job
from indexer.worker.maintenance import discard_index

__all__ = ["discard_index", "run_job"]
