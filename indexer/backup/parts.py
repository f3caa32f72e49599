"""What a data directory consists of, and what of it belongs into a backup."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from indexer.schema import Schema

_JOURNALS = ("-wal", "-shm", "-journal")


class PartKind(enum.StrEnum):
    """How a part is copied while others write to it."""

    DATABASE = "database"
    """An SQLite file: SQLite copies one moment of it."""
    FILE = "file"
    """A file that is written once."""
    TREE = "tree"
    """A directory of such files."""
    LINES = "lines"
    """A directory of files that only grow by whole lines, or are renamed."""


class Keeping(enum.StrEnum):
    """Which backups have a part."""

    ALWAYS = "always"
    """It cannot be made again."""
    WITH_INDEX = "with-index"
    """It can be made again from the repositories, which takes time."""
    NEVER = "never"
    """It is of use to the processes that run now, or to nobody but this machine."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in a data directory.

    Attributes:
        name: Its name there; for parts that are never kept a pattern, such as ``*.lock``.
        keeping: Which backups have it.
        about: What it is, for people.
        kind: How it is copied.
        schema: The tables of a database.
        lock: Of ``LINES``: the file, in it, that whoever appends holds an exclusive ``flock`` of.
    """

    name: str
    keeping: Keeping
    about: str
    kind: PartKind = PartKind.FILE
    schema: Schema | None = None
    lock: str = ""


def part_of(name: str, parts: Sequence[Part]) -> Part | None:
    """Return the part that an entry of a data directory belongs to, ``None`` when it is none of Hearth's."""
    for part in parts:
        if fnmatchcase(name, part.name):
            return part
        if part.kind is PartKind.DATABASE and any(name == part.name + ending for ending in _JOURNALS):
            return part
    return None
