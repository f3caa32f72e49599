"""How many commits refs have beyond what is indexed, counted again only when one of them has moved."""

from __future__ import annotations

from pathlib import Path

from indexer.diff.source import GitSource
from indexer.errors import IndexerError

_MOST_BYTES = 4096
_MOST_STEPS = 5
_SYMBOLIC = b"ref: "
_HEAD = "HEAD"
_SHARED = (_HEAD, "packed-refs", "reftable/tables.list")
"""Whether there still is a repository, and the files that hold many refs and are replaced when one of these changes."""

Stamp = tuple[tuple[int, ...] | bytes | None, ...]


class Distances:
    """Remembers what git said, and what stood in the files of the refs then. Many threads may share one."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[str, Stamp, int]] = {}

    def commits_behind(self, git_dir: str, indexed: str, ref: str) -> int:
        """Count the commits that ``ref`` has beyond ``indexed``; -1 when that cannot be told.

        Reads a few small files; starts git when they, or ``indexed``, are others than the last time.
        """
        stamp = _stamp(Path(git_dir), ref)
        known = self._known.get((git_dir, ref))
        if known is not None and known[:2] == (indexed, stamp):
            return known[2]
        try:
            behind = GitSource.open(Path(git_dir)).commits_behind(indexed, ref)
        except IndexerError:
            return -1
        # The stamp is older than the answer: whatever moved in between is asked for again.
        self._known[git_dir, ref] = indexed, stamp, behind
        return behind


def _stamp(git_dir: Path, ref: str) -> Stamp:
    """Return what changes whenever git could resolve ``ref`` to something else."""
    common = _common(git_dir)
    found: list[tuple[int, ...] | bytes | None] = [_identity(common / name) for name in _SHARED]
    for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/remotes/origin/{ref}", ref):
        content = _content((git_dir if name == _HEAD else common) / name) if ".." not in name else None
        found.append(content)
        for _ in range(_MOST_STEPS):
            if content is None or not content.startswith(_SYMBOLIC):
                break
            target = content.removeprefix(_SYMBOLIC).strip().decode("utf-8", "surrogateescape")
            content = _content(common / target) if ".." not in target else None
            found.append(content)
    return tuple(found)


def _common(git_dir: Path) -> Path:
    """Return the directory that all work trees of a repository share."""
    content = _content(git_dir / "commondir")
    return git_dir / content.strip().decode("utf-8", "surrogateescape") if content else git_dir


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except (OSError, ValueError):
        return None
