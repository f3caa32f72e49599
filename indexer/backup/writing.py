"""Writes a backup: copied aside, verified, and only then given its name."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from indexer.backup.aside import ARCHIVE, CONTENT, aside
from indexer.backup.copying import copy_part, digest_of, pieces, size_of, sync_directory, write_private
from indexer.backup.manifest import CONFIGURATION, MANIFEST, Manifest
from indexer.backup.parts import Keeping, Part, PartKind, part_of
from indexer.errors import BackupError, DataDirectoryError, DiskFull
from indexer.store.lock import writer_lock
from indexer.types import Progress

ProgressCallback = Callable[[Progress], None]

_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written.

    Attributes:
        path: The directory or the archive.
        manifest: What is in it.
        strangers: Entries of the data directory that are none of Hearth's, and were left out.
        removed: What runs for the same place left beside it when they were killed, and is gone now.
        seconds: How long it took.
    """

    path: Path
    manifest: Manifest
    strangers: tuple[str, ...]
    removed: tuple[Path, ...]
    seconds: float

    @property
    def bytes(self) -> int:
        """Size of its files, uncompressed."""
        return sum(size for size, _ in self.manifest.files.values())


def write_backup(
    data: Path,
    target: Path,
    parts: Sequence[Part],
    *,
    index: bool,
    configuration: Path | None,
    progress: ProgressCallback,
    wait_seconds: float = 0.0,
) -> Backup:
    """Back up a data directory, also while a server and a worker use it.

    Args:
        data: The data directory.
        target: A directory that does not exist or is empty, or an archive that does not exist (``.tar``, ``.tar.gz``).
        parts: What may be there.
        index: Whether the index is copied as well; nobody writes to it meanwhile.
        configuration: The hearth.toml in force, to be kept with it.
        progress: Told of every step; its numbers are KiB.
        wait_seconds: With ``index``, how long to wait for another writer.

    Raises:
        BackupError: ``target`` cannot be one, there is nothing to back up, or what was written is not what was read.
        DiskFull: There is no room; nothing is left of what was written.
        IndexBusy: Another process writes to the index.
        DataDirectoryError: Something cannot be read or written.
    """
    started = time.monotonic()
    _check_target(data, target)
    chosen = [
        part for part in parts if part.keeping is Keeping.ALWAYS or (index and part.keeping is Keeping.WITH_INDEX)
    ]
    if not any((data / part.name).exists() for part in chosen):
        raise BackupError(f"there is nothing to back up in {data}", advice="Name the data directory with --data DIR.")
    with _written(target), aside(target) as (directory, removed):
        run = _Run(data, directory / CONTENT, progress, sum(size_of(data / part.name) for part in chosen))
        run.content.mkdir(mode=0o700)
        if configuration is not None:
            run.keep(configuration, CONFIGURATION)
        run.copy([part for part in chosen if part.keeping is Keeping.ALWAYS])
        if index:
            with writer_lock(data, wait_seconds=wait_seconds):
                run.copy([part for part in chosen if part.keeping is Keeping.WITH_INDEX])
        manifest = run.finish(index=index)
        _publish(run.content, directory / ARCHIVE, target, manifest)
    strangers = tuple(sorted(entry.name for entry in data.iterdir() if part_of(entry.name, parts) is None))
    return Backup(target, manifest, strangers, removed, time.monotonic() - started)


def is_archive(path: Path) -> bool:
    """Say whether a backup of this name is one file."""
    return path.name.endswith(_ARCHIVES)


class _Run:
    """Files on their way into a backup."""

    def __init__(self, data: Path, content: Path, progress: ProgressCallback, total: int) -> None:
        self.content = content
        self._data = data
        self._progress = progress
        self._total = total
        self._done = 0
        self._files: list[Path] = []
        self._schemas: dict[str, int] = {}
        self._name = ""

    def keep(self, file: Path, name: str) -> None:
        """Copy a file of another place."""
        with file.open("rb") as stream:
            write_private(self.content / name, pieces(stream), lambda _: None)
        self._files.append(self.content / name)

    def copy(self, parts: Sequence[Part]) -> None:
        """Copy parts of the data directory, and look at each database as it was copied."""
        for part in parts:
            self._name = part.name
            self._tell(0)
            self._files += copy_part(part, self._data, self.content, self._tell)
            if part.kind is PartKind.DATABASE and (self.content / part.name).exists():
                self._schemas[part.name] = _check_database(self.content / part.name, part)

    def finish(self, *, index: bool) -> Manifest:
        """Read everything again from where it was written, and write down what it is."""
        files: dict[str, tuple[int, str]] = {}
        for number, file in enumerate(self._files):
            self._progress(Progress("backup", "", "verify", number, len(self._files), "reading it again"))
            with file.open("rb") as stream:
                digest = digest_of(pieces(stream))
            files[file.relative_to(self.content).as_posix()] = (file.stat().st_size, digest)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(version("hearth"), made, index, self._schemas, files)
        write_private(self.content / MANIFEST, iter([manifest.to_json()]), lambda _: None)
        return manifest

    def _tell(self, more: int) -> None:
        self._done += more
        # Those that grow while they are copied make more than was counted.
        total = max(self._total, self._done)
        self._progress(Progress("backup", "", self._name, self._done // _KIB, total // _KIB, f"copying {self._name}"))


def _check_target(data: Path, target: Path) -> None:
    if target.resolve().is_relative_to(data.resolve()):
        raise BackupError(f"{target} lies in the data directory itself", advice="Choose a place outside of it.")
    if not target.absolute().parent.is_dir():
        raise BackupError(f"there is no directory {target.absolute().parent}", advice="Make it first.")
    taken = target.is_symlink() or target.exists()
    if taken and (is_archive(target) or not target.is_dir() or any(target.iterdir())):
        raise BackupError(f"{target} exists already", advice="Choose another name; a backup replaces nothing.")


def _check_database(file: Path, part: Part) -> int:
    """Return the version of the tables of a copied database. Raises BackupError when it is damaged."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        verdicts = [text for (text,) in connection.execute("PRAGMA integrity_check(3)")]
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if verdicts != ["ok"] or broken is not None:
            reason = f"a row of {broken[0]} refers to none" if verdicts == ["ok"] else "; ".join(verdicts)
            raise BackupError(
                f"{part.name} is damaged: {reason}", advice="Restore it from an earlier backup, or see `hearth doctor`."
            )
        return part.schema.found(connection, file) if part.schema is not None else 0


def _publish(content: Path, archive: Path, target: Path, manifest: Manifest) -> None:
    """Give a whole backup its name."""
    if is_archive(target):
        _write_archive(content, archive, manifest, compressed=not target.name.endswith(".tar"))
        archive.replace(target)
    else:
        sync_directory(content)
        # Takes the place of an empty directory, and of nothing else.
        content.replace(target)
    sync_directory(target.absolute().parent)


def _write_archive(content: Path, archive: Path, manifest: Manifest, *, compressed: bool) -> None:
    write_private(archive, iter(()), lambda _: None)
    with tarfile.open(archive, "w:gz" if compressed else "w") as tar:
        # The manifest comes first: whoever reads the archive knows then what to expect.
        for name in (MANIFEST, *manifest.files):
            tar.add(content / name, arcname=name, filter=_anonymous)
    with tarfile.open(archive) as tar:
        for member in tar:
            extracted = tar.extractfile(member)
            if extracted is None:
                raise BackupError(f"{member.name} is not in the archive as a file", advice="Is the disk sound?")
            digest = digest_of(pieces(extracted))
            if member.name != MANIFEST and manifest.files[member.name] != (member.size, digest):
                raise BackupError(f"{member.name} in the archive is not what was written", advice="Is the disk sound?")
    with archive.open("rb") as stream:
        os.fsync(stream.fileno())


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


@contextlib.contextmanager
def _written(target: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None) or 0
        if code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_WRITE:
            raise _full(target, str(error)) from error
        raise BackupError(f"a database cannot be copied to {target}: {error}", advice="Try again.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(target, str(error.strerror)) from error
        raise DataDirectoryError(
            f"the backup cannot be made: {error.filename or target}: {error.strerror or error}",
            advice="Run it as the user who runs the server, and check the permissions of the place it goes to.",
        ) from error


def _full(target: Path, reason: str) -> DiskFull:
    return DiskFull(
        f"the backup {target} could not be written: {reason}", advice="Make room; nothing is left of what was written."
    )
