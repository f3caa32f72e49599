"""``hearth work`` and ``hearth jobs``."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from indexer.cli.listing import console, print_json
from indexer.cli_options import IndexSettings
from indexer.errors import IndexBusy, UnknownJob
from indexer.queue import Queue
from indexer.queue.registration import configured_repositories
from indexer.terminal import visible_name
from indexer.worker.dispatch import Dispatcher, JobEvent, JobStage


def work(chosen: IndexSettings, *, once: bool) -> int:
    """Work off the queue until interrupted, or until nothing is due; returns the exit code."""
    configured = configured_repositories(chosen.configured, chosen.repositories)
    with Queue(chosen.data) as queue:
        dispatcher = Dispatcher(
            chosen.data, chosen.index, chosen.repositories, queue, configured=configured, listener=_report
        )
        with suppress(asyncio.CancelledError):
            asyncio.run(_once(chosen, dispatcher) if once else _until_stopped(dispatcher))
    return 0


def show_jobs(chosen: IndexSettings, *, as_json: bool) -> None:
    """Print all jobs."""
    with Queue(chosen.data) as queue:
        jobs = queue.jobs()
    if as_json:
        print_json([asdict(job) for job in jobs])
        return
    if not jobs:
        console().print("Nothing waits.")
        return
    table = Table(box=None, pad_edge=False)
    for header in ("id", "repository", "ref", "what", "why", "state", "tries", "due", "error"):
        table.add_column(header)
    for job in jobs:
        due = max(job.due_at - time.time(), 0.0)
        table.add_row(
            str(job.job_id),
            escape(job.repository),
            escape(visible_name(job.ref or "all")),
            job.kind,
            escape(job.reason),
            job.state,
            str(job.attempts),
            f"in {due:.0f} s" if job.state == "waiting" and due >= 1 else "",
            escape(visible_name(job.error)),
        )
    console().print(table)


def change_job(chosen: IndexSettings, job_id: int, *, drop: bool) -> None:
    """Drop a job, or make it due.

    Raises:
        UnknownJob: There is none with that number, or it is running.
    """
    with Queue(chosen.data) as queue:
        if not (queue.drop(job_id) if drop else queue.retry(job_id)):
            raise UnknownJob(
                f"no job {job_id} waits or was set aside", advice="`hearth jobs list` shows those that do."
            )
    sys.stdout.write(f"job {job_id}: {'dropped' if drop else 'due now'}\n")


async def _until_stopped(dispatcher: Dispatcher) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with dispatcher:
        await stopped.wait()


async def _once(chosen: IndexSettings, dispatcher: Dispatcher) -> None:
    if not await dispatcher.drain():
        raise IndexBusy(
            f"another process works off the queue in {chosen.data} already", advice="There is nothing to do here."
        )


def _report(event: JobEvent) -> None:
    if event.stage is JobStage.PROGRESS:
        return
    where = " ".join([event.repository, *event.refs[:5]])
    text = f"{where}: {event.kind} {event.stage}"
    for report in event.reports:
        text += f"; {report.ref} at {report.commit[:12]}, {report.blobs_processed:,} blobs new, {report.seconds:.1f} s"
    if event.error:
        text += f": {event.error}"
    sys.stdout.write(visible_name(text) + "\n")
    sys.stdout.flush()
