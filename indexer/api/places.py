"""Which indexed repository a file of this machine belongs to."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from indexer.diff import file_path_text, is_url, public_url
from indexer.store.catalog import RefRecord

_REMOTE = re.compile(r'^\s*\[remote "([^"]+)"\]|^\s*url\s*=\s*(\S+)', re.MULTILINE)


def locate(file: Path, refs: Sequence[RefRecord]) -> tuple[str, str] | None:
    """Return ``(repository, path in it)`` for a file, which need not exist yet; ``None`` outside of any repository.

    A file belongs to a repository when it lies in its work tree, in another work tree of the same repository, or in a
    clone whose remote is the URL that was indexed.
    """
    absolute = Path(os.path.normpath(file.absolute()))
    for candidate in dict.fromkeys((absolute, _resolved(absolute))):
        top = _work_tree(str(candidate.parent))
        if top is None:
            continue
        directory, root, common, remotes = top
        for ref in refs:
            if ref.identity == common or ref.root == root or (is_url(ref.source) and ref.source in remotes):
                return ref.repository, file_path_text(os.path.relpath(candidate, directory)).replace(os.sep, "/")
    return None


def forget_work_trees() -> None:
    """Look at the file system again: repositories may have come, gone or got other remotes."""
    _work_tree.cache_clear()


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


@lru_cache(maxsize=4096)
def _work_tree(directory: str) -> tuple[str, str, str, frozenset[str]] | None:
    """Return ``(top directory, the same resolved, common git directory, remote URLs)`` of a directory's work tree."""
    path = Path(directory)
    for top in (path, *path.parents):
        marker = top / ".git"
        try:
            if marker.is_dir():
                common = marker.resolve()
            elif marker.is_file():
                common = _linked(marker)
            else:
                continue
            return str(top), str(top.resolve()), str(common), _remotes(common)
        except OSError:
            continue
    return None


def _linked(marker: Path) -> Path:
    """Follow the ``.git`` file of a linked work tree or submodule to the directory that all its work trees share."""
    text = marker.read_text("utf-8", "surrogateescape")
    git_dir = (marker.parent / text.partition("gitdir:")[2].strip()).resolve()
    common = git_dir / "commondir"
    if common.is_file():
        return (git_dir / common.read_text("utf-8", "surrogateescape").strip()).resolve()
    return git_dir


def _remotes(common: Path) -> frozenset[str]:
    try:
        text = (common / "config").read_text("utf-8", "replace")
    except OSError:
        return frozenset()
    return frozenset(public_url(url.strip('"')) for _, url in _REMOTE.findall(text) if url)
