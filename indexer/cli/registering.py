"""``hearth repo``: the registry by command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from indexer import worker
from indexer.api import overview
from indexer.cli.listing import console, print_json
from indexer.cli_options import IndexSettings
from indexer.errors import IndexBusy
from indexer.queue import Job, JobKind, JobState, Origin, Queue, Repository
from indexer.queue.registration import make_repository
from indexer.store.lock import dispatcher_lock
from indexer.terminal import visible_name
from indexer.types import IndexJob, RepositoryStatus

_WAIT_SECONDS = 60.0


def add(
    chosen: IndexSettings,
    source: str,
    *,
    name: str,
    branches: Sequence[str],
    credential: str,
    poll_minutes: float,
    as_json: bool,
) -> None:
    """Register a repository; one that is indexed already keeps the name it has there."""
    wanted = make_repository(
        source,
        chosen.repositories,
        origin=Origin.COMMAND,
        name=name or indexed_name(chosen, source),
        branches=branches,
        credential=credential,
        poll_minutes=poll_minutes,
    )
    with Queue(chosen.data) as queue:
        known = queue.repository(wanted.name)
        changed = queue.register(wanted)
    _tell_of_configuration(known)
    if as_json:
        print_json({**asdict(wanted), "changed": changed})
        return
    sys.stdout.write(f"{wanted.name}: {'registered' if changed else 'was registered already'}\n")


def remove(chosen: IndexSettings, name: str, *, as_json: bool) -> None:
    """Remove a repository now, or leave that to the process that works off the queue, if there is one.

    Raises:
        UnknownRepository: It is neither registered nor indexed.
    """
    with Queue(chosen.data) as queue:
        statuses = _statuses(chosen)
        known = queue.repository(name)
        if known is None and name not in statuses:
            raise overview.unknown_repository(name, "", statuses.values())
        queue.remove(name)
        done = _remove_here(chosen, queue, name)
    _tell_of_configuration(known)
    if as_json:
        print_json({"repository": name, "removed": done})
        return
    sys.stdout.write(f"{name}: {'removed' if done else 'will be removed as soon as the index is free'}\n")


def pause(chosen: IndexSettings, name: str, *, paused: bool) -> None:
    """Pause or resume. Raises UnknownRepository."""
    with Queue(chosen.data) as queue:
        if paused:
            queue.pause(name)
        else:
            queue.resume(name)
        known = queue.repository(name)
    _tell_of_configuration(known)
    sys.stdout.write(f"{name}: {'paused' if paused else 'resumed'}\n")


def show(chosen: IndexSettings, *, as_json: bool) -> None:
    """Print the registry with what the index has of it."""
    statuses = _statuses(chosen)
    with Queue(chosen.data) as queue:
        repositories, jobs = queue.repositories(), queue.jobs()
    rows: list[dict[str, Any]] = []
    for repository in repositories:
        status = statuses.get(repository.name)
        mine = [job for job in jobs if job.repository == repository.name]
        rows.append(
            {
                **asdict(repository),
                "refs": [asdict(ref) for ref in status.refs] if status else [],
                "jobs": len(mine),
                "error": next((job.error for job in mine if job.error), ""),
                "state": _state(repository.paused, mine, indexed=status is not None),
            }
        )
    if as_json:
        print_json(rows)
        return
    if not rows:
        console().print("Nothing is registered yet. Start with: hearth repo add SOURCE")
        return
    table = Table(box=None, pad_edge=False)
    for header in ("repository", "state", "ref", "commit", "behind", "source", "error"):
        table.add_column(header)
    for row in rows:
        refs = row["refs"] or [{"ref": "", "commit": "", "behind": -1}]
        for number, ref in enumerate(refs):
            first = number == 0
            table.add_row(
                escape(row["name"]) if first else "",
                row["state"] if first else "",
                escape(visible_name(ref["ref"])),
                ref["commit"][:12],
                str(ref["behind"]) if ref["behind"] >= 0 else "",
                escape(row["source"]) if first else "",
                escape(visible_name(row["error"])) if first else "",
            )
    console().print(table)


def indexed_name(chosen: IndexSettings, source: str) -> str:
    """Return the name under which a source is in the index, empty when it is not."""
    places = {source, source.rstrip("/")}
    return next((status.name for status in _statuses(chosen).values() if status.source in places), "")


def _tell_of_configuration(known: Repository | None) -> None:
    """Say that what was changed by command lasts until settings say otherwise."""
    if known is not None and known.origin is Origin.CONFIGURATION:
        sys.stderr.write(
            f"hearth: {known.name} stands in hearth.toml, which has the last word when the server starts again\n"
            "  Change it there as well.\n"
        )


def _remove_here(chosen: IndexSettings, queue: Queue, name: str) -> bool:
    with dispatcher_lock(chosen.data) as held:
        if not held:
            return False
        try:
            job = IndexJob(name, remove=True)
            with closing(worker.spawn(job, chosen.data, chosen.index, wait_seconds=_WAIT_SECONDS)) as events:
                for _event in events:
                    pass
        except IndexBusy:
            return False
        for waiting in queue.jobs():
            if waiting.repository == name and waiting.kind is JobKind.REMOVE:
                queue.drop(waiting.job_id)
    return True


def _statuses(chosen: IndexSettings) -> dict[str, RepositoryStatus]:
    with overview.open_catalog(chosen.data) as catalog:
        return {status.name: status for status in overview.repositories(catalog, ask_source=True)}


def _state(paused: bool, jobs: Sequence[Job], *, indexed: bool) -> str:
    states = {job.state for job in jobs}
    if paused:
        return "paused"
    for state, word in (
        (JobState.RUNNING, "indexing"),
        (JobState.FAILED, "failed"),
        (JobState.WAITING, "waiting"),
    ):
        if state in states:
            return word
    return "ready" if indexed else "empty"
