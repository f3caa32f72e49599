"""``hearth index``: one worker process a repository, one after the other."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from indexer import worker
from indexer.cli.progress import ProgressDisplay
from indexer.cli_options import IndexSettings
from indexer.errors import IndexerError
from indexer.types import IndexJob, IndexReport, Progress, RepositoryStatus

_WAIT_SECONDS = 24 * 3600.0


def index_repositories(
    chosen: IndexSettings, jobs: list[IndexJob], *, prune: bool, rebuild: bool, wait: bool, as_json: bool
) -> int | None:
    """Do the jobs, or bring everything up to date when there are none; returns the exit code of the first failure.

    ``None`` when there is nothing to do, because nothing was named and nothing is indexed.
    """
    if rebuild:
        jobs = _discard(chosen, jobs)
    elif not jobs:
        jobs = [IndexJob(status.name, prune=prune) for status in _repositories(chosen.data)]
    if not jobs:
        return None
    results: list[dict[str, Any]] = []
    code = 0
    for job in jobs:
        try:
            results += [asdict(report) for report in _run(job, chosen, wait=wait)]
        except IndexerError as error:
            code = code or error.exit_code
            _complain(error, job.source if len(jobs) > 1 else "")
            fields = {"code": error.code, "message": error.message, "advice": error.advice}
            results.append({"error": fields, "source": job.source})
    if as_json:
        sys.stdout.write(json.dumps(results, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return code


def _run(job: IndexJob, chosen: IndexSettings, *, wait: bool) -> list[IndexReport]:
    reports: list[IndexReport] = []
    events = worker.spawn(job, chosen.data, chosen.index, wait_seconds=_WAIT_SECONDS if wait else 0.0)
    with ProgressDisplay(Path(job.source).name or job.source) as display, closing(events):
        for event in events:
            if isinstance(event, Progress):
                display.show(event)
            else:
                reports.append(event)
                display.finish(event)
    return reports


def _discard(chosen: IndexSettings, jobs: list[IndexJob]) -> list[IndexJob]:
    """Delete the index and return the jobs that build it again: those asked for, and all others that it knew."""
    try:
        known = _repositories(chosen.data)
    except IndexerError as error:
        sys.stderr.write(f"hearth: {error.message}\n  Other repositories than those named now must be indexed again.\n")
        known = []
    worker.discard_index(chosen.data)
    stored = {alias: one for one in known for alias in (one.name, one.source)}
    complete: dict[str, IndexJob] = {}
    for job in jobs:
        one = stored.get(job.source) or stored.get(os.path.realpath(job.source))
        if one is None:
            complete[job.source] = job
        else:
            complete[one.source] = IndexJob(one.source, job.name or one.name, job.refs or _refs(one))
    for one in known:
        complete.setdefault(one.source, IndexJob(one.source, one.name, _refs(one)))
    return list(complete.values())


def _repositories(data: Path) -> list[RepositoryStatus]:
    from indexer.api import overview  # noqa: PLC0415  # start-up time: most runs name their repositories

    worker.upgrade_index(data)
    with overview.open_catalog(data) as catalog:
        return overview.repositories(catalog)


def _refs(repository: RepositoryStatus) -> tuple[str, ...]:
    return tuple(ref.ref for ref in repository.refs)


def _complain(error: IndexerError, source: str) -> None:
    where = f"{source}: " if source and source not in error.message else ""
    sys.stderr.write(f"hearth: {where}{error.message}\n")
    if error.advice:
        sys.stderr.write(f"  {error.advice}\n")
