"""What was missed while nobody was listening: spools of hooks, refs that moved, and what upgrades or damage took."""

from __future__ import annotations

import logging
from pathlib import Path

from indexer.api import overview
from indexer.diff import GitSource, is_url
from indexer.errors import IndexerError, RefNotFound
from indexer.queue import Queue, Repository
from indexer.queue.spool import open_for_news, read
from indexer.store.catalog import Catalog
from indexer.types import IndexJob, IndexState

_log = logging.getLogger(__name__)


def catch_up(data: Path, queue: Queue, allowed: str = "") -> list[str]:
    """Ask for every repository whose source is not what the index shows; returns their names.

    A remote is always asked for, because only its job may open a connection. So is what was published when the settings
    allowed other secrets than ``allowed``, a digest of ``IndexConfig``.
    """
    with overview.open_catalog(data) as catalog:
        shown = _indexed(catalog)
        allowed_then = catalog.allowed()
    missed = []
    for repository in queue.repositories():
        if (
            is_url(repository.source)
            or allowed_then.get(repository.name, set()) - {allowed}
            or _moved(repository, shown.get(repository.name, {}))
        ):
            queue.enqueue(repository.name, reason="start")
            missed.append(repository.name)
    return missed


def ask_for_outdated(data: Path, queue: Queue) -> list[str]:
    """Ask for every repository that lost what it showed in an upgrade or to damage; returns their names.

    Also for those that are not registered: nobody else would look at them again.
    """
    with overview.open_catalog(data) as catalog:
        names = [
            status.name
            for status in overview.repositories(catalog)
            if any(ref.state is IndexState.PENDING and ref.error for ref in status.refs)
        ]
    for name in names:
        queue.renew(name)
    return names


def indexed_job(data: Path, name: str) -> IndexJob | None:
    """Return what indexes again the refs of a repository that is in the index; None when it is there no longer."""
    with overview.open_catalog(data) as catalog:
        found = next((status for status in overview.repositories(catalog) if status.name == name), None)
    return IndexJob(found.source, name, tuple(ref.ref for ref in found.refs)) if found else None


def collect_spools(queue: Queue) -> list[str]:
    """Take what hooks wrote down in repositories on this machine and could not deliver; returns their names.

    What we may not read or delete is left alone: it belongs to another user, whose hooks deliver it.
    """
    taken = []
    for repository in queue.repositories():
        if is_url(repository.source):
            continue
        try:
            git_dir = _common_directory(Path(repository.source))
            if git_dir is None:
                continue
            spooled = read(git_dir)
            if not spooled.files:
                continue
            open_for_news(git_dir)
            names = spooled.names()
            if names:
                queue.enqueue(repository.name, names, reason="push")
                taken.append(repository.name)
            spooled.taken()
        except OSError as error:
            _log.info("the spool of %s cannot be taken: %s", repository.name, error)
    return taken


def _common_directory(root: Path) -> Path | None:
    """Return where a repository keeps its spool, without asking git, which would cost more than the look itself."""
    for candidate in (root / ".git", root):
        if (candidate / "HEAD").is_file() and (candidate / "objects").is_dir():
            return candidate
    try:
        return GitSource.open(root).common_dir
    except IndexerError:
        return None


def _indexed(catalog: Catalog) -> dict[str, dict[str, str]]:
    return {
        status.name: {ref.ref: ref.commit for ref in status.refs if ref.commit}
        for status in overview.repositories(catalog)
    }


def _moved(repository: Repository, indexed: dict[str, str]) -> bool:
    try:
        source = GitSource.open(Path(repository.source))
        if repository.branches:
            followed = source.matching_refs(repository.branches)
        else:
            followed = [source.default_ref()] if source.branches() else []
    except IndexerError:
        return True  # Its job says what is wrong.
    names = {*followed, *indexed}
    return any(indexed.get(name) != _commit(source, name) for name in names)


def _commit(source: GitSource, name: str) -> str | None:
    try:
        return source.resolve(name)
    except RefNotFound:
        return None
