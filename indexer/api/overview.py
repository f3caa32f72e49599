"""What is indexed, how fresh it is and what was left out. Needs neither words nor vectors, which may be damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from indexer.diff import Distances
from indexer.errors import UnknownRepository
from indexer.store.catalog import Catalog, RefRecord
from indexer.store.database import require_directory
from indexer.store.lock import writer_process
from indexer.types import FoundSecret, IndexState, RefStatus, RepositoryStatus, Skip


@contextmanager
def open_catalog(data: Path) -> Iterator[Catalog]:
    """Open the metadata in ``data`` alone.

    Raises:
        DataDirectoryError: ``data`` is a file or cannot be read.
        IndexCorrupt: The metadata is damaged or of another version.
    """
    require_directory(data)
    catalog = Catalog(data)
    try:
        yield catalog
    finally:
        catalog.close()


def repositories(
    catalog: Catalog, *, ask_source: bool = False, distances: Distances | None = None
) -> list[RepositoryStatus]:
    """Return the state of every repository; see :meth:`indexer.api.Index.repositories`.

    ``distances`` remembers what was asked of sources before.
    """
    statuses = catalog.statuses()
    if not writer_process(catalog.data):
        # A killed run could not say that it stopped.
        statuses = [replace(status, refs=tuple(map(_at_rest, status.refs))) for status in statuses]
    if not ask_source:
        return statuses
    git_dirs = {ref.repository: ref.git_dir for ref in catalog.refs()}
    distances = distances or Distances()
    return [
        replace(status, refs=tuple(_with_distance(status.refs, git_dirs.get(status.name), distances)))
        for status in statuses
    ]


def skips(catalog: Catalog, ref: RefRecord) -> list[Skip]:
    """Return what one ref leaves out, by path."""
    return [Skip(ref.repository, ref.ref, path, reason, detail) for path, reason, detail in catalog.skips(ref.ref_id)]


def secrets(catalog: Catalog, ref: RefRecord) -> list[FoundSecret]:
    """Return where the files of one ref have secrets, by path and line."""
    return [FoundSecret(ref.repository, ref.ref, *place) for place in catalog.secrets(ref.ref_id)]


def unknown_repository(repository: str, ref: str, statuses: Iterable[RepositoryStatus]) -> UnknownRepository:
    """Say that a repository or a ref of it is not in the index, and what is."""
    known = {status.name: status for status in statuses}
    if repository in known and ref:
        refs = ", ".join(status.ref for status in known[repository].refs)
        return UnknownRepository(
            f"{repository!r} is not indexed at {ref!r}",
            advice=f"Indexed: {refs}. Add it: hearth index REPO --ref {ref}",
        )
    if repository in known:
        return UnknownRepository(f"{repository!r} is not indexed completely yet", advice="Run: hearth index REPO")
    names = ", ".join(known)
    return UnknownRepository(
        f"no repository {repository!r} is in the index",
        advice=f"There are: {names}." if names else "There is none yet: run hearth index REPO.",
    )


def _at_rest(ref: RefStatus) -> RefStatus:
    if ref.state is not IndexState.INDEXING:
        return ref
    return replace(ref, state=IndexState.READY if ref.commit else IndexState.PENDING)


def _with_distance(refs: Iterable[RefStatus], git_dir: str | None, distances: Distances) -> Iterable[RefStatus]:
    for ref in refs:
        behind = distances.commits_behind(git_dir, ref.commit, ref.ref) if git_dir and ref.commit else -1
        yield replace(ref, behind=behind)
