"""Takes a whole repository out of the index."""

from __future__ import annotations

import shutil

from indexer.diff import is_url, mirror_path
from indexer.worker import maintenance
from indexer.worker.batches import Stores


def remove_repository(stores: Stores, name: str) -> bool:
    """Remove what a repository published, its mirror if Hearth kept one, and what nobody else needs of its blobs.

    Searches stop showing it before anything is deleted, and a killed run leaves only what the next one collects.
    Returns whether there was such a repository.
    """
    found = {row.name: row for row in stores.metadata.repositories()}.get(name)
    if found is None:
        return False
    for ref in stores.metadata.refs(found.repository_id):
        stores.metadata.remove_ref(ref.ref_id)
    stores.metadata.remove_repository(found.repository_id)
    if is_url(found.source):
        shutil.rmtree(mirror_path(stores.data / "mirrors", found.source), ignore_errors=True)
    collected = maintenance.collect_garbage(stores)
    maintenance.merge_segments(stores, collected=collected > 0)
    maintenance.drop_corpora(stores)
    return True
