"""The SQLite file of the index: its tables, how it is opened, and what its errors mean.

**Invariant**: a row of ``blob`` exists only when its lexical documents are committed and its vectors are in a segment
named in ``segment``. A row of ``file`` or ``skip`` belongs to a publication that was made in one transaction.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from indexer.errors import DataDirectoryError, DiskFull, IndexBusy, IndexCorrupt, IndexerError
from indexer.private import make_private
from indexer.schema import Schema

DATABASE = "hearth.sqlite"
REBUILD_ADVICE = "Build it again with: hearth index --rebuild REPO"

_BUSY_MS = 10_000
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE repository (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  identity TEXT NOT NULL UNIQUE,
  root TEXT NOT NULL,
  git_dir TEXT NOT NULL,
  default_ref TEXT NOT NULL
);
CREATE TABLE ref (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repository (id),
  name TEXT NOT NULL,
  commit_id TEXT NOT NULL DEFAULT '',
  options TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,
  files INTEGER NOT NULL DEFAULT 0,
  chunks INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  indexed_at REAL NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  corpus TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL DEFAULT 0,
  -- Indexed because HEAD pointed there, not because it was asked for.
  implicit INTEGER NOT NULL DEFAULT 0,
  UNIQUE (repository_id, name)
);
CREATE TABLE blob (
  id INTEGER PRIMARY KEY,
  oid BLOB NOT NULL,
  hint TEXT NOT NULL,
  options TEXT NOT NULL,
  language TEXT NOT NULL,
  size INTEGER NOT NULL,
  first_chunk INTEGER NOT NULL,
  chunk_count INTEGER NOT NULL,
  skip_reason TEXT NOT NULL DEFAULT '',
  skip_detail TEXT NOT NULL DEFAULT '',
  UNIQUE (oid, hint, options)
);
-- Where the text of a blob had a secret, of which nothing is kept.
CREATE TABLE secret (
  blob_id INTEGER NOT NULL,
  line INTEGER NOT NULL,
  rule TEXT NOT NULL,
  -- Whether the settings say that it is none, so that it was kept.
  allowed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (blob_id, line, rule)
) WITHOUT ROWID;
CREATE TABLE content (blob_id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY,
  blob_id INTEGER NOT NULL,
  start_line INTEGER NOT NULL,
  end_line INTEGER NOT NULL,
  symbol TEXT NOT NULL,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL
);
CREATE TABLE symbol (
  blob_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  lower TEXT NOT NULL,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL,
  start_line INTEGER NOT NULL,
  end_line INTEGER NOT NULL,
  signature TEXT NOT NULL,
  documentation TEXT NOT NULL,
  PRIMARY KEY (blob_id, position)
) WITHOUT ROWID;
CREATE INDEX symbol_name ON symbol (name);
CREATE INDEX symbol_lower ON symbol (lower);
CREATE TABLE import (
  blob_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  module TEXT NOT NULL,
  name TEXT NOT NULL,
  alias TEXT NOT NULL,
  PRIMARY KEY (blob_id, position)
) WITHOUT ROWID;
CREATE TABLE file (
  ref_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  blob_id INTEGER NOT NULL,
  PRIMARY KEY (ref_id, path)
) WITHOUT ROWID;
CREATE INDEX file_blob ON file (blob_id, ref_id);
CREATE TABLE skip (
  ref_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  blob_id INTEGER,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (ref_id, path)
) WITHOUT ROWID;
CREATE INDEX skip_blob ON skip (blob_id) WHERE blob_id IS NOT NULL;
-- The repositories that the lexical documents of a blob are tagged with.
CREATE TABLE tag (
  blob_id INTEGER NOT NULL,
  repository_id INTEGER NOT NULL,
  PRIMARY KEY (blob_id, repository_id)
) WITHOUT ROWID;
CREATE TABLE segment (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  embedder TEXT NOT NULL,
  vectors INTEGER NOT NULL
);
-- Blob ids whose lexical documents may exist though no row of ``blob`` does.
CREATE TABLE pending (first_blob INTEGER PRIMARY KEY, last_blob INTEGER NOT NULL);
-- Blobs that no publication may refer to any more, and since when.
CREATE TABLE candidate (blob_id INTEGER PRIMARY KEY, since REAL NOT NULL);
INSERT INTO meta VALUES ('generation', 1), ('next_blob', 1), ('next_chunk', 1);
"""
_DERIVED = ("lexical", "vectors", "corpora")
# What was stored before this version must not be shown: it may hold secrets. Repositories and refs stay.
_KEPT_FROM = 2
_FORGET_CONTENT = """
UPDATE ref SET commit_id = '', options = '', state = 'pending', files = 0, chunks = 0, skipped = 0, indexed_at = 0,
  corpus = '', error = 'an older version of Hearth indexed it; it has to be indexed anew';
DELETE FROM file;
DELETE FROM skip;
DELETE FROM tag;
DELETE FROM segment;
DELETE FROM pending;
DELETE FROM candidate;
DELETE FROM import;
DELETE FROM symbol;
DELETE FROM chunk;
DELETE FROM content;
DELETE FROM blob;
UPDATE meta SET value = value + 1 WHERE key = 'generation';
"""
SCHEMA = Schema(
    _TABLES,
    steps=(
        """
-- Where the text of a blob had a secret, of which nothing is kept.
CREATE TABLE secret (
  blob_id INTEGER NOT NULL,
  line INTEGER NOT NULL,
  rule TEXT NOT NULL,
  PRIMARY KEY (blob_id, line, rule)
) WITHOUT ROWID;
"""
        + _FORGET_CONTENT,
        "ALTER TABLE secret ADD COLUMN allowed INTEGER NOT NULL DEFAULT 0;\n",
    ),
    advice=REBUILD_ADVICE,
)
_UPGRADE = "Bring it up to date with: hearth index. The team's server does so when it starts."


def connect_writer(data: Path) -> sqlite3.Connection:
    """Open or create the database for the one process that writes, and bring an older one up to date.

    Raises:
        NewerData: A newer Hearth made it.
        IndexerError: See :func:`translated`.
    """
    path = data / DATABASE
    with translated(data):
        make_private(path)
        connection = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # A publication must survive a power cut, and everything it names was fsynced before.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute("PRAGMA temp_store = MEMORY")
            # A secret that newer rules find must not stay behind in free pages.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            if 0 < SCHEMA.found(connection, path) < _KEPT_FROM:
                # Before the rows that speak of it: killed in between, the next one comes here again.
                _remove(data, _DERIVED)
            SCHEMA.prepare(connection, path)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(data: Path) -> sqlite3.Connection | None:
    """Open the database for reading; ``None`` while nothing was ever indexed there.

    Raises:
        OlderData: An older Hearth made it, and no writer has brought it up to date.
        NewerData: A newer Hearth made it.
        IndexerError: See :func:`translated`.
    """
    path = data / DATABASE
    with translated(data):
        if not path.exists():
            return None
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=_BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA cache_size = -32768")
            connection.execute("PRAGMA mmap_size = 1073741824")
            if SCHEMA.found(connection, path) == 0:
                connection.close()  # The first run was killed before it made the tables.
                return None
            SCHEMA.require(connection, path, _UPGRADE)
        except BaseException:
            connection.close()
            raise
    return connection


def discard_index(data: Path) -> None:
    """Delete everything that was derived from repositories, so that it can be built again; mirrors stay."""
    with translated(data):
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (data / name).unlink(missing_ok=True)
        _remove(data, _DERIVED)


def require_directory(data: Path) -> None:
    """Raise DataDirectoryError when ``data`` is something else than a directory or may not be looked at."""
    with translated(data):
        if data.exists() and not data.is_dir():
            raise DataDirectoryError(f"{data} is a file, not a directory", advice="Choose another with --data DIR.")


def _remove(data: Path, directories: Iterable[str]) -> None:
    for name in directories:
        if (data / name).exists():
            shutil.rmtree(data / name)


@contextlib.contextmanager
def translated(data: Path, database: str = DATABASE, advice: str = REBUILD_ADVICE) -> Iterator[None]:
    """Turn errors of SQLite and the file system below ``data`` into ours.

    Args:
        data: The data directory.
        database: The SQLite file in it that is worked on.
        advice: What to do when that file is damaged.

    Raises:
        DiskFull: No space, or a quota or file size limit was reached.
        IndexCorrupt: The file is damaged or not a database.
        IndexBusy: Another process holds the database for too long.
        DataDirectoryError: Anything else that the file system refuses.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _translated_sqlite(error, data / database, advice) from error
    except UnicodeDecodeError as error:
        # Of what SQLite says about a damaged file, the damaged text itself.
        raise IndexCorrupt(f"{data / database} is damaged: it holds text that is none", advice=advice) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _disk_full(data, str(error.strerror)) from error
        raise DataDirectoryError(
            f"the data directory {data} cannot be used: {error.strerror or error}",
            advice="Check its permissions, or choose another with --data DIR.",
        ) from error


def _translated_sqlite(error: sqlite3.Error, path: Path, advice: str) -> IndexerError:
    text = str(error)
    extended = getattr(error, "sqlite_errorcode", None) or 0
    code = extended & 0xFF
    # SQLite tells a full disk from other failures to write, but not a quota or a limit on the size of files.
    if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_WRITE:
        return _disk_full(path.parent, text)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return IndexCorrupt(f"{path} is damaged: {text}", advice=advice)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return IndexBusy(f"{path} is in use by another process", advice="Try again when it has finished.")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return DataDirectoryError(
            f"{path} cannot be used: {text}",
            advice="Check the directory's permissions and free space, or choose another with --data DIR.",
        )
    return IndexCorrupt(f"{path} does not have the expected tables: {text}", advice=advice)


def _disk_full(data: Path, reason: str) -> DiskFull:
    return DiskFull(
        f"the index in {data} could not be written: {reason}",
        advice="Make room, then run the command again; it goes on where it stopped.",
    )
