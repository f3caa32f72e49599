"""Damage of the index: written down by whoever meets it, and undone by beginning anew."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

from indexer.errors import IndexerError
from indexer.store.database import DATABASE, connect_reader, connect_writer, discard_index, translated
from indexer.types import IndexState

NOTE = "damaged"
"""The file that says that damage was met, and which."""
NEW = ".anew"
"""The directory of an index on its way into the place of a damaged one."""
_UNFINISHED = f"{NEW}-unfinished"


def note_damage(data: Path, reason: str) -> None:
    """Write down that something stored cannot be what was written, for whoever writes next to look into."""
    with contextlib.suppress(OSError), (data / NOTE).open("x", encoding="utf-8") as file:
        file.write(reason)


def noted_damage(data: Path) -> str:
    """Return what was written down; empty when nothing was."""
    try:
        return (data / NOTE).read_text("utf-8", "replace") or "damage was met"
    except OSError:
        return ""


def forget_damage(data: Path) -> None:
    """Take the note away."""
    with translated(data):
        (data / NOTE).unlink(missing_ok=True)


def is_begun_anew(data: Path) -> bool:
    """Say whether somebody was killed between making an empty index and putting it in the place of a damaged one."""
    return (data / NEW / DATABASE).exists()


def begin_anew(data: Path, reason: str) -> None:
    """Put an empty index in the place of a damaged one. Call it with the writer's lock.

    The repositories and refs that can still be read in it stay, as ones that are not indexed yet and say why. Killed at
    any instant, the note is still there, and the next one begins anew again, or goes on where they are already known.

    Raises:
        IndexerError: The data directory cannot be written.
    """
    note_damage(data, reason)
    if not is_begun_anew(data):
        _make_new(data, reason)
    discard_index(data)
    with translated(data):
        (data / NEW / DATABASE).replace(data / DATABASE)
        (data / NEW).rmdir()
    forget_damage(data)


def _make_new(data: Path, reason: str) -> None:
    """Make the index that takes the place of the damaged one; it gets its name when it is whole."""
    repositories, refs = _known(data)
    new = data / _UNFINISHED
    discard_index(new)
    with translated(data):
        new.mkdir(mode=0o700, exist_ok=True)
        with contextlib.closing(connect_writer(new)) as connection:
            connection.execute("BEGIN")
            connection.executemany("INSERT OR IGNORE INTO repository VALUES (?, ?, ?, ?, ?, ?, ?)", repositories)
            connection.executemany(
                "INSERT OR IGNORE INTO ref (repository_id, name, implicit, state, error) VALUES (?, ?, ?, ?, ?)",
                ((*ref, IndexState.PENDING, f"the index was damaged and is made anew ({reason})") for ref in refs),
            )
            # Greater than any before, so that readers see that what they knew is gone.
            connection.execute("UPDATE meta SET value = ? WHERE key = 'generation'", (int(time.time()),))
            connection.execute("COMMIT")
        new.replace(data / NEW)


def _known(data: Path) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the rows of repositories, and ``(repository id, name, implicit)`` of refs, as far as they can be read."""
    try:
        connection = connect_reader(data)
        if connection is None:
            return [], []
        with contextlib.closing(connection):
            repositories = connection.execute(
                "SELECT id, name, source, identity, root, git_dir, default_ref FROM repository"
            ).fetchall()
            refs = connection.execute("SELECT repository_id, name, implicit FROM ref ORDER BY id").fetchall()
    except (IndexerError, sqlite3.Error):
        return [], []
    return repositories, refs
