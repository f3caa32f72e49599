"""The part of ``hearth doctor`` that looks at the files of the data directory other than the index."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from indexer.backup import Keeping, Part, PartKind
from indexer.cli_doctor import Finding, Level
from indexer.private import owner_name
from server.cli.data_files import PARTS

_NAME = "data files"
_OTHERS = 0o077


def examine_data_files(data: Path) -> Iterator[Finding]:
    """Look at each file that cannot be made again: whether it is whole, of this version, and its owner's alone.

    What is in the directory was made with the permissions of that day, so that the directory itself is looked at first.
    """
    if strangers := list(_of_others(data)):
        owner, names = owner_name(data), ", ".join(str(path.relative_to(data)) for path in strangers[:5])
        message = f"{data} belongs to {owner}, but not all that is in it: {names}"
        advice = f"chown -R {owner}: {data}, and run commands that write there as {owner}."
        yield Finding(Level.FAIL, _NAME, message, advice)
        return
    there = [part for part in PARTS if part.keeping is Keeping.ALWAYS and (data / part.name).exists()]
    sound = True
    if data.exists() and data.stat().st_mode & _OTHERS:
        sound = False
        message = f"{data}, which holds the code of every repository that is indexed, can be looked into by others"
        advice = f"chmod 700 {data}, unless hooks of other users write their news there: see docs/repositories.md."
        yield Finding(Level.WARN, _NAME, message, advice)
    for part in there:
        for finding in _examine(part, data / part.name):
            sound = False
            yield finding
    if sound:
        yield Finding(Level.OK, _NAME, ", ".join(part.name for part in there) or "none yet")


def _of_others(data: Path) -> Iterator[Path]:
    """Yield what belongs to somebody else than the directory does, as what root wrote, which the server cannot open."""
    if data.is_dir() and os.access(data, os.R_OK | os.X_OK):
        owner = data.stat().st_uid
        parts = [data / part.name for part in PARTS if part.keeping is Keeping.ALWAYS and part.kind is PartKind.LINES]
        for path in (*data.iterdir(), *(file for part in parts for file in part.glob("*"))):
            if path.lstat().st_uid != owner:
                yield path


def _examine(part: Part, path: Path) -> Iterator[Finding]:
    if part.kind is PartKind.DATABASE:
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if part.schema is not None and verdict == "ok":
                    part.schema.require(connection, path, "`hearth serve` brings it up to date when it starts.")
        except sqlite3.Error as error:
            verdict = str(error)
        if verdict != "ok":
            yield Finding(Level.FAIL, _NAME, f"{path} ({part.about}) is damaged: {verdict}", "Restore a backup of it.")
    if path.is_file() and path.stat().st_mode & _OTHERS and part.name != "queue.sqlite":
        yield Finding(Level.WARN, _NAME, f"{path} ({part.about}) can be read by others", f"chmod 600 {path}")
