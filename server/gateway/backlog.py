"""Counts what waits to be indexed, so that somebody is told when it waits for too long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from concurrent.futures import Executor

from indexer.errors import IndexerError
from indexer.queue import JobState, Queue
from server.gateway import metrics

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0


async def watch_backlog(queue: Queue, threads: Executor) -> None:
    """Keep the metrics of the queue up to date until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await loop.run_in_executor(threads, count_jobs, queue)
        except IndexerError as error:
            # The dispatcher says in the log what is wrong with the queue.
            _log.debug("jobs cannot be counted: %s", error)
        await asyncio.sleep(_LOOK_SECONDS)


def count_jobs(queue: Queue) -> None:
    """Set the metrics of the queue to what it has now."""
    now = time.time()
    jobs = queue.jobs()
    paused = {repository.name for repository in queue.repositories() if repository.paused}
    states = Counter(job.state for job in jobs)
    for state in JobState:
        metrics.JOBS.labels(state.value).set(states[state])
    due = [
        job.enqueued_at
        for job in jobs
        if job.state is JobState.WAITING and job.due_at <= now and job.repository not in paused
    ]
    metrics.WAITING_SINCE.set(min(due, default=0.0))
