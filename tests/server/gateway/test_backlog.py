"""What is said of the queue to those who watch it."""

from __future__ import annotations

import time
from pathlib import Path

from prometheus_client import REGISTRY

from indexer.queue import Queue, Repository
from server.gateway.backlog import count_jobs


def jobs(state: str) -> float | None:
    return REGISTRY.get_sample_value("hearth_jobs", {"state": state})


def waiting_since() -> float | None:
    return REGISTRY.get_sample_value("hearth_jobs_waiting_since_timestamp_seconds")


def test_jobs_are_counted_and_the_oldest_that_is_due_is_told(tmp_path: Path) -> None:
    before = time.time()
    with Queue(tmp_path) as queue:
        count_jobs(queue)
        assert (jobs("waiting"), waiting_since()) == (0, 0)
        queue.register(Repository("shop", "/srv/shop.git"))
        queue.register(Repository("tools", "/srv/tools.git"))
        count_jobs(queue)
        assert jobs("waiting") == 2
        assert before <= (waiting_since() or 0.0) <= time.time()
        # Who paused a repository knows that it waits.
        queue.pause("shop")
        queue.pause("tools")
        count_jobs(queue)
        assert (jobs("waiting"), waiting_since()) == (2, 0)
        queue.resume("tools")
        claim = queue.claim()
        assert claim is not None
        queue.fail(claim, "no such repository", most_attempts=1)
        count_jobs(queue)
        assert (jobs("failed"), jobs("running")) == (1, 0)
