"""Puts a backup back: checked as a whole before anything of the data directory is touched."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from indexer.backup.copying import pieces, sync_directory, write_private
from indexer.backup.manifest import CONFIGURATION, MANIFEST, MOST_BYTES, Manifest
from indexer.backup.parts import Keeping, Part, PartKind, part_of
from indexer.backup.writing import ProgressCallback
from indexer.errors import BackupError, DataDirectoryError, DiskFull, IndexBusy, NewerData
from indexer.private import owner_name
from indexer.store.database import require_directory
from indexer.store.lock import dispatcher_lock, writer_lock
from indexer.types import Progress

STAGING = ".restore-"
"""How the directory begins that a restore unpacks into."""
SET_ASIDE = "replaced-"
"""How the directory begins in which a restore leaves what was there before."""
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that was put back.

    Attributes:
        data: The data directory.
        manifest: What the backup had.
        replaced: Where lies what was there before; None when there was nothing.
        seconds: How long it took.
    """

    data: Path
    manifest: Manifest
    replaced: Path | None
    seconds: float


def restore(source: Path, data: Path, parts: Sequence[Part], *, replace: bool, progress: ProgressCallback) -> Restored:
    """Put a backup into a data directory that nobody uses.

    Args:
        source: A directory or an archive that :func:`indexer.backup.write_backup` made.
        data: The data directory; made when it does not exist.
        parts: What may be there.
        replace: Whether what is there already is set aside; without it, ``data`` has to be empty.
        progress: Told of every step; its numbers are files.

    Raises:
        BackupError: It is no backup or a damaged one, or ``data`` is not empty.
        NewerData: A newer Hearth made it.
        IndexBusy: A server or a run of the indexer uses ``data``.
        DiskFull: There is no room for it; ``data`` is as it was.
        DataDirectoryError: Something cannot be read or written, or root would write to what belongs to somebody else.
    """
    started = time.monotonic()
    require_directory(data)
    _refuse_root(data)
    with _translated(source, data), _opened(source) as (manifest, files):
        _check(manifest, source, parts)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(data), _staging(data) as staging:
            there = _entries(data, parts)
            if there and not replace:
                raise BackupError(
                    f"{data} is not empty: it has {', '.join(entry.name for entry in there[:5])}",
                    advice="--replace sets aside what is there.",
                )
            _unpack(files, manifest, source, staging, progress)
            replaced = _exchange(staging, data, there)
    return Restored(data, manifest, replaced, time.monotonic() - started)


def _refuse_root(data: Path) -> None:
    """Keep root from leaving files in another user's data directory that the server, run by that user, cannot open."""
    if os.geteuid() == 0 and data.exists() and data.stat().st_uid != 0:
        owner = owner_name(data)
        raise DataDirectoryError(
            f"{data} belongs to {owner}, who could not read what root restores there",
            advice=f"Run it as that user: sudo -u {owner} hearth restore …",
        )


_Files = Iterator[tuple[str, IO[bytes]]]


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tuple[Manifest, _Files]]:
    """Open a backup: its manifest, and then its files in any order."""
    if source.is_dir():
        if not (source / MANIFEST).is_file():
            raise BackupError(
                f"{source} has no {MANIFEST}", advice="Name a directory or an archive that `hearth backup` made."
            )
        with (source / MANIFEST).open("rb") as file:
            manifest = Manifest.from_json(file.read(MOST_BYTES), str(source))
        yield manifest, _files_of_directory(source, manifest)
        return
    with contextlib.ExitStack() as stack:
        archive = stack.enter_context(_decompressed(source))
        tar = stack.enter_context(tarfile.open(fileobj=archive, mode="r|"))
        first = tar.next()
        stream = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
        if stream is None:
            raise BackupError(f"{source} does not begin with a {MANIFEST}", advice="Did `hearth backup` make it?")
        yield Manifest.from_json(stream.read(MOST_BYTES), str(source)), _files_of_archive(tar, archive)


def _decompressed(source: Path) -> BufferedIOBase:
    with source.open("rb") as file:
        compressed = file.read(len(_GZIP)) == _GZIP
    return gzip.open(source) if compressed else source.open("rb")


def _files_of_directory(source: Path, manifest: Manifest) -> _Files:
    for name in manifest.files:
        if (source / name).is_file():
            with (source / name).open("rb") as stream:
                yield name, stream


def _files_of_archive(tar: tarfile.TarFile, archive: BufferedIOBase) -> _Files:
    for member in tar:
        stream = tar.extractfile(member) if member.isreg() else None
        if stream is not None:
            yield member.name, stream
    while archive.read(_PIECE):
        pass  # only its end tells whether a compressed archive is whole


def _check(manifest: Manifest, source: Path, parts: Sequence[Part]) -> None:
    """Refuse what this Hearth cannot use before anything is read of it."""
    known: Mapping[str, Part] = {part.name: part for part in parts if part.keeping is not Keeping.NEVER}
    strangers = {name for name in manifest.files if name != CONFIGURATION and name.partition("/")[0] not in known}
    newer = [
        f"{name} of version {version}"
        for name, version in manifest.schemas.items()
        if name not in known or ((schema := known[name].schema) is not None and version > schema.version)
    ]
    if strangers or newer:
        what = ", ".join([*newer, *sorted(strangers)][:5])
        raise NewerData(
            f"{source} was made by Hearth {manifest.hearth} and has what this Hearth does not know: {what}",
            advice="Restore it with that Hearth or a newer one.",
        )


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Keep servers and runs of the indexer away, or learn that there is one."""
    with dispatcher_lock(data) as held:
        if not held:
            raise IndexBusy(
                f"a server works with {data}", advice="Stop it first: `hearth serve` or `hearth work` is running."
            )
        with writer_lock(data):
            yield


def _entries(data: Path, parts: Sequence[Part]) -> list[Path]:
    """Return what a restore has to set aside: everything but locks, logs and the like."""
    found = []
    for entry in sorted(data.iterdir()):
        part = part_of(entry.name, parts)
        if part is None or part.keeping is not Keeping.NEVER or part.kind is PartKind.DATABASE:
            found.append(entry)
    return found


@contextlib.contextmanager
def _staging(data: Path) -> Iterator[Path]:
    """Make a directory in ``data``, so that files get to their places by renaming; for whoever is alone there."""
    for left in data.glob(f"{STAGING}*"):
        # Of a restore that was killed: what it unpacked is in its backup, and in no other place that is looked after.
        shutil.rmtree(left, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix=STAGING, dir=data))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _unpack(files: _Files, manifest: Manifest, source: Path, staging: Path, progress: ProgressCallback) -> None:
    """Copy the files of a backup, and hold each against its digest. Of others nothing is read."""
    missing = dict(manifest.files)
    for name, stream in files:
        if name not in missing:
            continue
        size, wanted = missing.pop(name)
        done = len(manifest.files) - len(missing)
        progress(Progress("restore", "", "restore", done, len(manifest.files), "unpacking"))
        if name == CONFIGURATION:
            digest = hashlib.sha256(stream.read(size + 1)).hexdigest()
        else:
            digest = write_private(staging / name, pieces(stream, size + 1), lambda _: None)
        if digest != wanted:
            raise BackupError(f"{name} in {source} is not what was backed up", advice="Try another backup.")
    if missing:
        raise BackupError(f"{source} lacks {', '.join(sorted(missing)[:5])}", advice="Is it whole? Try another backup.")


def _exchange(staging: Path, data: Path, there: Sequence[Path]) -> Path | None:
    """Put what was unpacked in its place; what was there is set aside, and put back if that fails."""
    aside = data / f"{SET_ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    done: list[tuple[Path, Path]] = []

    def move(entry: Path, target: Path) -> None:
        entry.rename(target)
        done.append((entry, target))

    try:
        if there:
            aside.mkdir(mode=0o700)
        for entry in there:
            move(entry, aside / entry.name)
        for entry in sorted(staging.iterdir()):
            move(entry, data / entry.name)
        sync_directory(data)
    except BaseException:
        for entry, target in reversed(done):
            target.rename(entry)
        with contextlib.suppress(OSError):
            aside.rmdir()
        raise
    return aside if there else None


@contextlib.contextmanager
def _translated(source: Path, data: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BackupError(
            f"{source} is no archive, or a damaged one: {error}", advice="Is it whole? Try another backup."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                f"{source} could not be unpacked in {data}: {error.strerror}", advice="Make room; nothing was changed."
            ) from error
        raise DataDirectoryError(
            f"{source} cannot be restored: {error.filename or data}: {error.strerror or error}",
            advice="Run it as the user who runs the server, and check the permissions.",
        ) from error
