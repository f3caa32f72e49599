"""Notices that a repository's HEAD moved, by looking at a few small files; runs no git."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MAX_BYTES = 4096


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


def head_fingerprint(tree: WorkTree) -> str:
    """Return a string that differs when HEAD names another branch or another commit; empty when it cannot be told."""
    head = _read(tree.git_dir / "HEAD").strip()
    if not head.startswith("ref:"):
        return head
    name = head.removeprefix("ref:").strip()
    loose = _read(tree.common / name).strip()
    if loose:
        return f"{name} {loose}"
    # Packed refs, or the reftable format: their times tell.
    times = []
    for file in (tree.common / "packed-refs", tree.common / "reftable" / "tables.list"):
        try:
            times.append(file.stat().st_mtime_ns)
        except OSError:
            times.append(0)
    return f"{name} {times}" if any(times) else ""


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
