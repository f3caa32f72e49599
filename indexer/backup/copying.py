"""Copies parts of a data directory that others write to meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from indexer.backup.parts import Part, PartKind
from indexer.errors import BackupError

Tell = Callable[[int], None]
"""Told how many more bytes are copied."""

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_PIECE = 1 << 20
_PAGES = 256
_BUSY_SECONDS = 30.0


def copy_part(part: Part, data: Path, target: Path, tell: Tell) -> list[Path]:
    """Copy a part of ``data`` to the same place in ``target``; returns the copies. What is not there is left out.

    Raises:
        BackupError: A database cannot be read.
        OSError: A file cannot be read or written.
    """
    source = data / part.name
    if not source.exists():
        return []
    match part.kind:
        case PartKind.DATABASE:
            _copy_database(source, target / part.name, tell)
            return [target / part.name]
        case PartKind.FILE:
            with source.open("rb") as stream:
                write_private(target / part.name, pieces(stream), tell)
            return [target / part.name]
        case PartKind.TREE:
            return list(_copy_tree(source, target / part.name, tell))
        case PartKind.LINES:
            return list(_copy_lines(source, target / part.name, part.lock, tell))


def size_of(path: Path) -> int:
    """Return the bytes of a file or of everything in a directory, 0 when it is not there."""
    if path.is_dir():
        return sum(file.stat().st_size for file in _files(path))
    return path.stat().st_size if path.exists() else 0


def pieces(stream: IO[bytes], limit: int | None = None) -> Iterator[bytes]:
    """Read a stream piece by piece, up to ``limit`` bytes."""
    left = limit
    while left is None or left > 0:
        piece = stream.read(_PIECE if left is None else min(_PIECE, left))
        if not piece:
            return
        if left is not None:
            left -= len(piece)
        yield piece


def digest_of(content: Iterator[bytes]) -> str:
    """Return the SHA-256 of some content as hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()


def write_private(target: Path, content: Iterator[bytes], tell: Tell) -> str:
    """Write a new file that its owner alone may read, make sure that it is on disk, and return its digest."""
    target.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as stream:  # noqa: PTH123  # permissions from the start
        for piece in content:
            stream.write(piece)
            digest.update(piece)
            tell(len(piece))
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest()


def sync_directory(directory: Path) -> None:
    """Make sure that the names in a directory are on disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_database(source: Path, target: Path, tell: Tell) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    address = f"{source.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as reading:
            page = reading.execute("PRAGMA page_size").fetchone()[0]
            # From here on the connection sees one moment, whatever others write; a copy that is made page by page
            # would otherwise begin again with each of their transactions.
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
            done = 0

            def progress(_status: int, remaining: int, total: int) -> None:
                nonlocal done
                tell((total - remaining - done) * page)
                done = total - remaining

            with closing(sqlite3.connect(target, isolation_level=None)) as writing:
                reading.backup(writing, pages=_PAGES, progress=progress)
                # One file, without the journal that stands beside it while it is in use.
                writing.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None) or 0
        if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise BackupError(
                f"{source} is damaged: {error}", advice="Restore it from an earlier backup, or see `hearth doctor`."
            ) from error
        if code & 0xFF == sqlite3.SQLITE_IOERR:
            _try_to_grow(target)
        raise


def _try_to_grow(file: Path) -> None:
    """Learn from the file system why SQLite could not write: a quota or a limit on the size of files is no full disk.

    Raises:
        OSError: That is why.
    """
    with file.open("ab") as stream:
        stream.write(bytes(_PAGES * 1024))


def _copy_tree(source: Path, target: Path, tell: Tell) -> Iterator[Path]:
    target.mkdir(mode=PRIVATE_DIRECTORY)
    for file in _files(source):
        copy = target / file.relative_to(source)
        with file.open("rb") as stream:
            write_private(copy, pieces(stream), tell)
        yield copy


def _copy_lines(source: Path, target: Path, lock: str, tell: Tell) -> Iterator[Path]:
    target.mkdir(mode=PRIVATE_DIRECTORY)
    with contextlib.ExitStack() as stack:
        opened: list[tuple[Path, IO[bytes], int]] = []
        with _held(source / lock):
            # Opened, so that it does not matter when one is renamed or deleted later, and sized up at the same moment.
            for file in _files(source):
                if file.name != lock:
                    stream = stack.enter_context(file.open("rb"))
                    opened.append((target / file.relative_to(source), stream, os.fstat(stream.fileno()).st_size))
        for copy, lines, size in opened:
            write_private(copy, pieces(lines, size), tell)
            yield copy


@contextlib.contextmanager
def _held(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _files(directory: Path) -> list[Path]:
    """Return the files below a directory in order; links are not followed and not copied."""
    return sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
