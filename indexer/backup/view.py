"""An index of its own that begins as another one is at this moment, without waiting for who writes to that one."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from indexer.backup.copying import PRIVATE_DIRECTORY, copy_part
from indexer.backup.index_parts import INDEXER_PARTS
from indexer.backup.parts import Keeping, PartKind
from indexer.errors import BackupError, IndexCorrupt
from indexer.store.database import DATABASE
from indexer.store.lexical import LexicalReader

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.5
_NOT_ITS_OWN = ("mirrors",)
"""What its repositories are read from; an index that is only read needs none."""


def view_index(data: Path, target: Path) -> None:
    """Make a data directory ``target`` with what is indexed in ``data``, and nothing else of it.

    The database is copied; all other files are never changed once they are written, and linked where the file system
    can do so. Who writes to either changes nothing in the other.

    Raises:
        BackupError: ``data`` changes faster than it can be looked at, or its database is damaged.
        OSError: A file cannot be read or written.
    """
    problem: Exception | None = None
    for attempt in range(_ATTEMPTS):
        time.sleep(_PAUSE_SECONDS * attempt)
        target.mkdir(mode=PRIVATE_DIRECTORY)
        try:
            _take(data, target)
            _check(target)
        except (FileNotFoundError, IndexCorrupt) as error:
            # A writer has taken away meanwhile what the database still spoke of.
            problem = error
            shutil.rmtree(target)
        else:
            return
    raise BackupError(
        f"the index in {data} changes too quickly to be looked at: {problem}", advice="Try again when less is indexed."
    )


def _take(data: Path, target: Path) -> None:
    # The database first: whatever it speaks of was there before, and what came after it is invisible.
    for part in sorted(INDEXER_PARTS, key=lambda part: part.name != DATABASE):
        if part.keeping is not Keeping.WITH_INDEX or part.name in _NOT_ITS_OWN:
            continue
        if part.kind is PartKind.TREE:
            _link_tree(data / part.name, target / part.name)
        else:
            copy_part(part, data, target, lambda _bytes: None)


def _link_tree(source: Path, target: Path) -> None:
    if not source.is_dir():
        return
    target.mkdir(mode=PRIVATE_DIRECTORY)
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            _link_tree(entry, target / entry.name)
        elif not entry.name.endswith(".lock") and not entry.is_symlink():
            try:
                (target / entry.name).hardlink_to(entry)
            except FileNotFoundError:
                raise
            except OSError:
                # Another file system, or one without links.
                shutil.copyfile(entry, target / entry.name)


def _check(target: Path) -> None:
    """Raise IndexCorrupt if something is missing that the database speaks of."""
    database = target / DATABASE
    if not database.exists():
        return
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        segments = [name for (name,) in connection.execute("SELECT name FROM segment")]
        corpora = [name for (name,) in connection.execute("SELECT corpus FROM ref WHERE corpus <> ''")]
    wanted = [target / "vectors" / f"{name}.{part}.npy" for name in segments for part in ("ids", "vec")]
    wanted += [target / "corpora" / name for name in corpora]
    missing = next((path for path in wanted if not path.exists()), None)
    if missing is not None:
        raise IndexCorrupt(f"{missing.name} is missing")
    LexicalReader(target / "lexical")
