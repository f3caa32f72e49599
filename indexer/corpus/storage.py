"""A file of named arrays, written whole or not at all and read by memory mapping.

Layout: magic, version and length of the table (16 bytes), the table as JSON (name, dtype, offset, length, CRC-32 of
each section), then the sections, each at a multiple of 64 bytes.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer.errors import DataDirectoryError, DiskFull, IndexCorrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"HEARTHCO"
VERSION = 1
_HEADER = struct.Struct("<8sII")
_ALIGNMENT = 64
_VERIFIED_BYTES = 1 << 29
"""Files up to this size have their checksums verified when they are opened (about a second a gigabyte)."""
_ADVICE = "Index the repository again (hearth index) to build it anew"


def write_sections(target: Path, sections: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write ``sections`` to ``target`` atomically: a temporary file beside it, fsync, rename.

    Raises:
        DiskFull: There is no room; the file that stood there before still stands.
        DataDirectoryError: The directory cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise _write_error(target, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            table: list[dict[str, Any]] = []
            offset = 0
            for section, array in sections.items():
                data = np.ascontiguousarray(array)
                checksum = zlib.crc32(data.data)
                table.append(
                    {
                        "name": section,
                        "dtype": data.dtype.str,
                        "offset": offset,
                        "length": len(data),
                        "crc": checksum,
                    }
                )
                offset = _aligned(offset + data.nbytes)
            described = json.dumps(table).encode()
            file.write(_HEADER.pack(MAGIC, VERSION, len(described)))
            file.write(described)
            for entry, array in zip(table, sections.values(), strict=True):
                start = _aligned(_HEADER.size + len(described)) + int(entry["offset"])
                file.write(b"\0" * (start - file.tell()))
                file.write(np.ascontiguousarray(array).data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _write_error(target, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_sections(target: Path, *, verify: bool = False) -> dict[str, npt.NDArray[Any]]:
    """Map ``target`` into memory and return its sections as read-only arrays.

    Args:
        target: The file.
        verify: Verify its checksums however large it is.

    Raises:
        IndexCorrupt: The file is missing, truncated, damaged, or of another version.
    """
    try:
        with target.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise IndexCorrupt(f"The corpus {target} cannot be read ({error})", advice=_ADVICE) from error
    try:
        return _parse(memoryview(mapped), target, verify=verify)
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise IndexCorrupt(f"The corpus {target} is damaged ({error})", advice=_ADVICE) from error


def _parse(data: memoryview, target: Path, *, verify: bool) -> dict[str, npt.NDArray[Any]]:
    magic, version, length = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ValueError("it does not start like a corpus")
    if version != VERSION:
        raise IndexCorrupt(f"The corpus {target} has version {version}, not {VERSION}", advice=_ADVICE)
    table = json.loads(bytes(data[_HEADER.size : _HEADER.size + length]))
    first = _aligned(_HEADER.size + length)
    sections: dict[str, npt.NDArray[Any]] = {}
    for entry in table:
        dtype = np.dtype(entry["dtype"])
        start = first + int(entry["offset"])
        end = start + int(entry["length"]) * dtype.itemsize
        if end > len(data):
            raise ValueError(f"{entry['name']} is cut short")
        if (verify or len(data) <= _VERIFIED_BYTES) and zlib.crc32(data[start:end]) != entry["crc"]:
            raise ValueError(f"{entry['name']} does not match its checksum")
        sections[entry["name"]] = np.frombuffer(data[start:end], dtype=dtype)
    return sections


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_error(target: Path, error: OSError) -> DiskFull | DataDirectoryError:
    if error.errno in {28, 122}:  # ENOSPC, EDQUOT
        return DiskFull(f"The corpus {target} could not be written: the disk is full", advice="Free some room")
    return DataDirectoryError(f"The corpus {target} could not be written ({error.strerror or error})")
