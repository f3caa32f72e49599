"""Notices that a repository's HEAD moved, by looking at a few small files; runs no git."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MAX_BYTES = 4096
_IN_BETWEEN = ("rebase-merge", "rebase-apply")


@dataclass(frozen=True, slots=True)
class WorkTree:
    """A work tree and where its git files are. ``common`` is shared by linked work trees."""

    root: Path
    git_dir: Path
    common: Path


def find_work_tree(folder: Path) -> WorkTree | None:
    """Return the work tree that holds ``folder``; ``None`` outside of any."""
    try:
        folder = folder.resolve()
        for root in (folder, *folder.parents):
            dot_git = root / ".git"
            if dot_git.is_dir():
                return WorkTree(root, dot_git, dot_git)
            if dot_git.is_file():
                target = _read(dot_git).partition("gitdir:")[2].strip()
                git_dir = (root / target).resolve()
                common = _read(git_dir / "commondir").strip()
                return WorkTree(root, git_dir, (git_dir / common).resolve() if common else git_dir)
    except (OSError, RuntimeError):
        return None
    return None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a work tree stands. ``ref`` is a branch or, detached, a commit; ``state`` differs when it moved."""

    ref: str
    state: str


def read_head(tree: WorkTree) -> Head | None:
    """Return where HEAD stands; ``None`` when it cannot be told: no commit yet, or in the middle of a rebase."""
    if any((tree.git_dir / name).exists() for name in _IN_BETWEEN):
        return None
    head = _read(tree.git_dir / "HEAD").strip()
    if not head.startswith("ref:"):
        return Head(head, head) if head else None
    name = head.removeprefix("ref:").strip()
    branch = name.removeprefix("refs/heads/")
    loose = _read(tree.common / name).strip()
    if loose:
        return Head(branch, f"{name} {loose}")
    # Packed refs, or the reftable format: their times tell.
    times = []
    for file in (tree.common / "packed-refs", tree.common / "reftable" / "tables.list"):
        try:
            times.append(file.stat().st_mtime_ns)
        except OSError:
            times.append(0)
    return Head(branch, f"{name} {times}") if any(times) else None


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
