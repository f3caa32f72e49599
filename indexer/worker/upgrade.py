"""An index that an older Hearth made: brought up to date in its place, before anybody reads it."""

from __future__ import annotations

from pathlib import Path

from indexer.errors import OlderData
from indexer.store.database import connect_reader, connect_writer, require_directory
from indexer.store.lock import writer_lock

_WAIT_SECONDS = 30.0


def upgrade_index(data: Path) -> bool:
    """Bring the index in ``data`` up to date if an older Hearth made it; returns whether there was anything to do.

    What is known of repositories stays. What the older one made of their files goes if it cannot be kept;
    :func:`indexer.worker.catchup.ask_for_outdated` has it made anew.

    Raises:
        NewerData: A newer Hearth made it.
        IndexBusy: Another process writes to it.
        IndexerError: It cannot be read or written; it is as it was.
    """
    require_directory(data)
    try:
        connection = connect_reader(data)
    except OlderData:
        with writer_lock(data, wait_seconds=_WAIT_SECONDS):
            connect_writer(data).close()
        return True
    if connection is not None:
        connection.close()
    return False
