"""Reads many objects through one ``git cat-file --batch``."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from indexer.errors import RepositoryUnavailable

# Ids are written ahead of reading by this many; 500 ids of 65 bytes fit into a pipe, so neither side can block.
_WINDOW = 500


def read_objects(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], ids: Iterable[str]
) -> Generator[tuple[str, bytes | None]]:
    """Yield ``(id, content)`` in order, ``None`` for what is missing. Closing the iterator ends git.

    Raises:
        RepositoryUnavailable: git ended early, as it does on a damaged pack.
    """
    with subprocess.Popen(
        list(command),
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        if process.stdin is None or process.stdout is None:  # pragma: no cover - Popen was asked for pipes
            raise RepositoryUnavailable("git cat-file has no pipes")
        try:
            remaining = iter(ids)
            while window := list(itertools.islice(remaining, _WINDOW)):
                try:
                    process.stdin.write("".join(f"{name}\n" for name in window).encode("ascii"))
                    process.stdin.flush()
                except BrokenPipeError as error:
                    raise _ended(directory) from error
                for name in window:
                    yield name, _read_one(process.stdout, directory)
        finally:
            process.kill()


def _read_one(stream: IO[bytes], directory: Path) -> bytes | None:
    header = stream.readline()
    if not header:
        raise _ended(directory)
    if header.endswith((b" missing\n", b" ambiguous\n")):
        return None
    length = int(header.rsplit(b" ", 1)[1])
    content = stream.read(length)
    if len(content) != length:
        raise _ended(directory)
    stream.read(1)
    return content


def _ended(directory: Path) -> RepositoryUnavailable:
    return RepositoryUnavailable(
        f"git stopped while it read objects of {directory}", advice="Look for damage with `git fsck` there."
    )
