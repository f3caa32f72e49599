"""Waiting work: coalesced by repository and ref, claimed in turns, tried again with back-off, set aside when hopeless.

A job says "look at this ref", never "index this commit": doing it twice or late is harmless, so that each of these
rules may err on the side of doing more.
"""

from __future__ import annotations

import enum
import random
import sqlite3
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

MOST_REFS = 100
"""Refs that one claim names; with more waiting it means all branches that are followed."""
MOST_BACKOFF_SECONDS = 3600.0

_FIRST_BACKOFF_SECONDS = 5.0
_JITTER = 0.25


class JobKind(enum.StrEnum):
    """What is to be done with a repository."""

    INDEX = "index"
    REMOVE = "remove"
    RENEW = "renew"
    """Index again what is in the index and not registered."""


class JobState(enum.StrEnum):
    """Where a job stands; one that is done is gone."""

    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    """Tried too often and set aside, until someone asks for another try or the ref is pushed again."""


@dataclass(frozen=True, slots=True)
class Job:
    """One waiting, running or failed job.

    ``ref`` is empty for all branches that are followed; times are in seconds since the epoch.
    """

    job_id: int
    repository: str
    kind: JobKind
    ref: str
    reason: str
    state: JobState
    attempts: int
    enqueued_at: float
    due_at: float
    error: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What one run is to do: ``refs`` of a repository, all that are followed when empty.

    ``jobs`` are the ids and versions that it answers for.
    """

    token: str
    repository: str
    kind: JobKind
    refs: tuple[str, ...]
    reason: str
    enqueued_at: float
    jobs: tuple[tuple[int, int], ...]


def enqueue(
    connection: sqlite3.Connection,
    repository: str,
    refs: Iterable[str],
    *,
    kind: JobKind = JobKind.INDEX,
    reason: str,
) -> int:
    """Ask for work; what waits already is not asked for twice. Returns how many jobs are new.

    A request that comes while the same is running waits for the next turn. One that failed before gets one more try.
    """
    now = time.time()
    new = 0
    for ref in dict.fromkeys(refs):
        known = connection.execute(
            "SELECT 1 FROM job WHERE repository = ? AND kind = ? AND ref = ?", (repository, kind, ref)
        ).fetchone()
        new += known is None
        connection.execute(
            "INSERT INTO job (repository, kind, ref, reason, state, enqueued_at, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (repository, kind, ref) DO UPDATE SET version = version + 1, reason = excluded.reason,"
            " attempts = iif(state = 'failed', attempts - 1, attempts),"
            " due_at = iif(state = 'failed' OR attempts = 0, min(due_at, excluded.due_at), due_at),"
            " enqueued_at = iif(state = 'waiting', enqueued_at, excluded.enqueued_at),"
            " state = iif(state = 'failed', 'waiting', state)",
            (repository, kind, ref, reason, JobState.WAITING, now, now),
        )
    return new


def claim(connection: sqlite3.Connection) -> Claim | None:
    """Take the work of the repository that has waited longest for its turn; None when nothing is due.

    Refs that wait for the first time go together; one that failed before goes alone, so that it fails no other.
    """
    # A time that lies further ahead than the failures so far make a job wait was written before the clock was set back.
    longest = "min(:first * (1 << min(max(j.attempts - 1, 0), 30)), :most) * (1 + :jitter)"
    due = f"j.state = 'waiting' AND (j.due_at <= :now OR j.due_at > :now + {longest})"
    values = {
        "now": time.time(),
        "first": _FIRST_BACKOFF_SECONDS,
        "most": MOST_BACKOFF_SECONDS,
        "jitter": _JITTER,
    }
    going = "(j.kind = 'remove' OR coalesce(r.paused, 0) = 0)"
    first = connection.execute(
        "SELECT j.id, j.repository, j.kind, j.attempts FROM job j"  # noqa: S608 -- constants  # nosec B608
        " LEFT JOIN repository r ON r.name = j.repository LEFT JOIN turn t ON t.repository = j.repository"
        f" WHERE {due} AND {going} ORDER BY coalesce(t.served, 0), j.due_at, j.id LIMIT 1",
        values,
    ).fetchone()
    if first is None:
        return None
    job_id, repository, kind, attempts = first
    rows = connection.execute(
        "SELECT j.id, j.version, j.ref, j.reason, j.enqueued_at FROM job j"  # noqa: S608 -- constants  # nosec B608
        f" WHERE j.id = :id OR (:fresh AND {due} AND j.repository = :repository AND j.kind = :kind"
        " AND j.attempts = 0) ORDER BY j.id",
        {**values, "id": job_id, "fresh": attempts == 0, "repository": repository, "kind": kind},
    ).fetchall()
    token = uuid.uuid4().hex
    connection.executemany(
        "UPDATE job SET state = 'running', claim = ? WHERE id = ?", ((token, row[0]) for row in rows)
    )
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'turn'")
    connection.execute(
        "INSERT OR REPLACE INTO turn SELECT ?, value FROM meta WHERE key = 'turn'",
        (repository,),
    )
    refs = tuple(row[2] for row in rows)
    whole = "" in refs or len(refs) > MOST_REFS
    return Claim(
        token,
        repository,
        JobKind(kind),
        () if whole else refs,
        rows[0][3],
        min(row[4] for row in rows),
        tuple((row[0], row[1]) for row in rows),
    )


def finish(connection: sqlite3.Connection, done: Claim) -> None:
    """Forget what was done; what was asked for again meanwhile waits for its next turn."""
    for job_id, version in done.jobs:
        connection.execute("DELETE FROM job WHERE id = ? AND claim = ? AND version = ?", (job_id, done.token, version))
    _give_back(connection, done.token, time.time(), attempts=0)


def fail(connection: sqlite3.Connection, failed: Claim, error: str, *, most_attempts: int) -> bool:
    """Record a failure: try again later, or set aside after ``most_attempts``; returns whether any was set aside."""
    now = time.time()
    aside = False
    for job_id, attempts in connection.execute(
        "SELECT id, attempts + 1 FROM job WHERE claim = ?", (failed.token,)
    ).fetchall():
        given_up = attempts >= most_attempts
        aside = aside or given_up
        connection.execute(
            "UPDATE job SET state = ?, claim = '', attempts = ?, due_at = ?, error = ? WHERE id = ?",
            (
                JobState.FAILED if given_up else JobState.WAITING,
                attempts,
                now + backoff_seconds(attempts),
                error,
                job_id,
            ),
        )
    return aside


def release(connection: sqlite3.Connection, held: Claim, delay_seconds: float) -> None:
    """Give work back untried, to be claimed again after a while, of a few seconds at most."""
    _give_back(connection, held.token, time.time() + delay_seconds)


def recover(connection: sqlite3.Connection) -> int:
    """Let everything wait again that a killed dispatcher had claimed; returns how many jobs that were."""
    return connection.execute("UPDATE job SET state = 'waiting', claim = '' WHERE state = 'running'").rowcount


def retry(connection: sqlite3.Connection, job_id: int) -> bool:
    """Make a waiting or failed job due at once with all its tries; False when there is none with that id."""
    changed = connection.execute(
        "UPDATE job SET state = 'waiting', attempts = 0, due_at = ? WHERE id = ? AND state <> 'running'",
        (time.time(), job_id),
    )
    return changed.rowcount > 0


def drop(connection: sqlite3.Connection, job_id: int) -> bool:
    """Forget a waiting or failed job; False when there is none with that id."""
    return connection.execute("DELETE FROM job WHERE id = ? AND state <> 'running'", (job_id,)).rowcount > 0


def forget_repository(connection: sqlite3.Connection, repository: str) -> None:
    """Forget what waits for a repository; what runs is finished."""
    connection.execute("DELETE FROM job WHERE repository = ? AND state <> 'running'", (repository,))


def listed(connection: sqlite3.Connection) -> list[Job]:
    """Return all jobs: running, then waiting in the order in which they are due, then failed."""
    rows = connection.execute(
        "SELECT id, repository, kind, ref, reason, state, attempts, enqueued_at, due_at, error FROM job"
        " ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'waiting' THEN 1 ELSE 2 END, due_at, id"
    ).fetchall()
    return [Job(row[0], row[1], JobKind(row[2]), row[3], row[4], JobState(row[5]), *row[6:]) for row in rows]


def backoff_seconds(attempts: int) -> float:
    """Return how long to wait after so many failures: doubled each time, and spread so that not all come at once."""
    seconds = min(_FIRST_BACKOFF_SECONDS * 2.0 ** (attempts - 1), MOST_BACKOFF_SECONDS)
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 -- spreads load, guards nothing  # nosec B311


def _give_back(connection: sqlite3.Connection, token: str, due_at: float, attempts: int | None = None) -> None:
    connection.execute(
        "UPDATE job SET state = 'waiting', claim = '', due_at = ?, attempts = coalesce(?, attempts) WHERE claim = ?",
        (due_at, attempts, token),
    )
