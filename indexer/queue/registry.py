"""Registered repositories: where each comes from, which branches are followed, and how its remote is read."""

from __future__ import annotations

import enum
import sqlite3
import time
from dataclasses import dataclass

from indexer.errors import NameTaken


class Origin(enum.StrEnum):
    """Who registered a repository."""

    COMMAND = "command"
    CONFIGURATION = "configuration"
    """It stands in ``hearth.toml``, which has the last word on it."""
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Repository:
    """A registered repository.

    Attributes:
        name: What it is called in the index.
        source: Absolute path or URL.
        branches: Patterns of branch names as in a shell; none means the branch of HEAD.
        credential: Where the secret for the remote is: ``env:NAME``, ``file:PATH``, or empty for none or an SSH agent.
        poll_minutes: How often the source is asked for news; 0 means never.
        paused: Nothing is indexed; what comes meanwhile waits.
        origin: Who registered it.
        added_at: Seconds since the epoch.
    """

    name: str
    source: str
    branches: tuple[str, ...] = ()
    credential: str = ""
    poll_minutes: float = 0.0
    paused: bool = False
    origin: Origin = Origin.COMMAND
    added_at: float = 0.0


def put(connection: sqlite3.Connection, repository: Repository) -> bool:
    """Add a repository, or replace what is known of it; returns whether anything changed.

    Raises:
        NameTaken: The name belongs to another source, or the source has another name.
    """
    known = find(connection, repository.name)
    if known is not None and known.source != repository.source:
        raise NameTaken(
            f"the name {repository.name!r} belongs to {known.source}",
            advice=f"Choose another for {repository.source} with --name NAME.",
        )
    other = connection.execute(
        "SELECT name FROM repository WHERE source = ? AND name <> ?", (repository.source, repository.name)
    ).fetchone()
    if other is not None:
        raise NameTaken(
            f"{repository.source} is registered under the name {other[0]!r}", advice=f"Use that name: {other[0]}."
        )
    added = known.added_at if known else time.time()
    connection.execute(
        "INSERT INTO repository (name, source, branches, credential, poll_minutes, paused, origin, added_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET branches = excluded.branches,"
        " credential = excluded.credential, poll_minutes = excluded.poll_minutes, paused = excluded.paused,"
        " origin = excluded.origin",
        (
            repository.name,
            repository.source,
            "\n".join(repository.branches),
            repository.credential,
            repository.poll_minutes,
            repository.paused,
            repository.origin,
            added,
        ),
    )
    return find(connection, repository.name) != known


def find(connection: sqlite3.Connection, name: str) -> Repository | None:
    """Return the repository of that name, if it is registered."""
    rows = _select(connection, "WHERE name = ?", name)
    return rows[0] if rows else None


def listed(connection: sqlite3.Connection) -> list[Repository]:
    """Return all registered repositories by name."""
    return _select(connection, "ORDER BY name")


def set_paused(connection: sqlite3.Connection, name: str, *, paused: bool) -> bool:
    """Pause or resume; False when no repository has that name."""
    return connection.execute("UPDATE repository SET paused = ? WHERE name = ?", (paused, name)).rowcount > 0


def delete(connection: sqlite3.Connection, name: str) -> bool:
    """Forget a repository; False when no repository has that name."""
    connection.execute("DELETE FROM turn WHERE repository = ?", (name,))
    return connection.execute("DELETE FROM repository WHERE name = ?", (name,)).rowcount > 0


def take_due_polls(connection: sqlite3.Connection) -> list[str]:
    """Return the repositories whose source is to be asked for news now, and count them as asked."""
    now = time.time()
    # A poll in the future was recorded before the clock was set back.
    names = [
        row[0]
        for row in connection.execute(
            "SELECT name FROM repository WHERE poll_minutes > 0 AND paused = 0"
            " AND (polled_at + poll_minutes * 60 <= :now OR polled_at > :now)",
            {"now": now},
        )
    ]
    connection.executemany("UPDATE repository SET polled_at = ? WHERE name = ?", ((now, name) for name in names))
    return names


def _select(connection: sqlite3.Connection, rest: str, *values: object) -> list[Repository]:
    rows = connection.execute(
        "SELECT name, source, branches, credential, poll_minutes, paused, origin, added_at"  # noqa: S608 -- constants  # nosec B608
        f" FROM repository {rest}",
        values,
    ).fetchall()
    return [
        Repository(name, source, tuple(branches.split()), credential, poll, bool(paused), Origin(origin), added)
        for name, source, branches, credential, poll, paused, origin, added in rows
    ]
