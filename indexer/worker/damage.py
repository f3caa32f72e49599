"""A damaged index is looked into by whoever writes next, and made anew: all of it comes from repositories."""

from __future__ import annotations

import logging
from pathlib import Path

from indexer.api import Index
from indexer.config import IndexConfig
from indexer.embed import Embedder
from indexer.errors import IndexCorrupt, IndexerError
from indexer.store.damage import begin_anew, forget_damage, is_begun_anew, noted_damage
from indexer.store.lock import writer_lock

_log = logging.getLogger(__name__)


def mend_index(data: Path, config: IndexConfig) -> str:
    """Begin anew when the index has the damage that somebody met; return what is wrong with it.

    Raises:
        IndexBusy: Another process writes; that one, or the next, sees to it.
        IndexerError: The data directory cannot be read or written.
    """
    if not noted_damage(data):
        return ""
    with writer_lock(data):
        return look_into_damage(data, config) if noted_damage(data) else ""


def look_into_damage(data: Path, config: IndexConfig, embedder: Embedder | None = None) -> str:
    """Read everything after damage was met, and begin anew if it is there; return what was wrong.

    Whoever was killed while they began anew had found it. For whoever holds the writer's lock.
    """
    reason = noted_damage(data) if is_begun_anew(data) else _damage(data, config, embedder)
    if reason:
        replace_damaged(data, reason)
    else:
        _log.warning("the index was reported damaged (%s), and is not", noted_damage(data))
        forget_damage(data)
    return reason


def replace_damaged(data: Path, reason: str) -> None:
    """Begin anew, and say so; for whoever holds the writer's lock."""
    _log.error("the index is damaged and is made anew: %s", reason)
    begin_anew(data, reason)


def _damage(data: Path, config: IndexConfig, embedder: Embedder | None) -> str:
    try:
        with Index.open(data, config, embedder=embedder) as index:
            index.check()
    except IndexCorrupt as error:
        return error.message
    except IndexerError:
        # No damage; what it is instead is said by whoever opens the index next.
        return ""
    return ""
