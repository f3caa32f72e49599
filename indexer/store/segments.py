"""Vectors of chunks as files: segments, each of them two ``.npy`` files that are written once and never changed.

The files hold ids int64[n] and vectors float16[n, d]: half precision moves an inner product of unit vectors by less
than 0.001.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.errors import DataDirectoryError, DiskFull, IndexCorrupt

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]

ADVICE_CORRUPT = "Build the index again with: hearth index --rebuild REPO"
# numpy reports a write that was cut short without an error number.
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None})


def write_segment(directory: Path, chunk_ids: Ids, vectors: Scores) -> str:
    """Write one segment durably; it is found by readers once its name is published.

    Args:
        directory: Made when absent.
        chunk_ids: int64[n], each id once.
        vectors: float32[n, d], L2-normalised.

    Returns:
        The segment's name.

    Raises:
        DiskFull: No space was left; nothing with the segment's name exists.
        DataDirectoryError: The directory cannot be written.
    """
    if vectors.ndim != 2 or len(chunk_ids) != len(vectors):
        message = f"{len(chunk_ids)} ids do not fit vectors of shape {vectors.shape}"
        raise ValueError(message)
    ids, halves = np.ascontiguousarray(chunk_ids, np.int64), np.ascontiguousarray(vectors, np.float16)
    name = f"seg-{uuid.uuid4().hex[:16]}-{_checksum(ids, halves)}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write_array(directory / f"{name}.ids.npy", ids)
        _write_array(directory / f"{name}.vec.npy", halves)
        _sync_directory(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            for part in ("ids", "vec"):
                (directory / f"{name}.{part}.npy").unlink(missing_ok=True)
        if error.errno in _DISK_FULL:
            raise DiskFull(
                f"{directory} could not be written: no space is left", advice="Free some space and index again"
            ) from error
        raise DataDirectoryError(
            f"{directory} cannot be written: {error.strerror or error}",
            advice="Make it writable, or pass another --data",
        ) from error
    return name


def read_segment(directory: Path, name: str) -> tuple[Ids, npt.NDArray[np.float16]]:
    """Map one segment: ids int64[n] and vectors float16[n, d].

    Raises:
        IndexCorrupt: A file is missing, cut short, of another shape, or not what was written.
    """
    try:
        ids = np.load(directory / f"{name}.ids.npy", mmap_mode="r", allow_pickle=False)
        vectors = np.load(directory / f"{name}.vec.npy", mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise IndexCorrupt(
            f"vector segment {name} in {directory} cannot be read: {error}",
            advice=ADVICE_CORRUPT,
        ) from error
    if ids.ndim != 1 or vectors.ndim != 2 or len(ids) != len(vectors) or vectors.dtype != np.float16:
        raise IndexCorrupt(
            f"vector segment {name} in {directory} has {ids.shape} ids and {vectors.shape} vectors of {vectors.dtype}",
            advice=ADVICE_CORRUPT,
        )
    # Names of older segments have no checksum.
    _, _, written = name.removeprefix("seg-").partition("-")
    if written and written != _checksum(ids, vectors):
        raise IndexCorrupt(f"vector segment {name} in {directory} is not what was written", advice=ADVICE_CORRUPT)
    return ids, vectors


def remove_segments(directory: Path, keep: Iterable[str]) -> int:
    """Delete every segment that is not in ``keep``, and what a killed writer left; return how many files went."""
    kept = set(keep)
    removed = 0
    for path in directory.glob("seg-*"):
        if path.name.partition(".")[0] not in kept:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _checksum(ids: Ids, vectors: npt.NDArray[np.float16]) -> str:
    return f"{zlib.crc32(vectors.data, zlib.crc32(ids.data)):08x}"


def _write_array(path: Path, array: npt.NDArray[Any]) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
