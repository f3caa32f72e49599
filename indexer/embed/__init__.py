"""Vectors for chunks and queries.

:func:`default_embedder` gives the embedder that ships with Hearth, :func:`make_embedder` the one that the settings ask
for; anything with the shape of :class:`Embedder` can take their place.
"""

from __future__ import annotations

import functools
from pathlib import Path

from indexer.config import EmbedderConfig
from indexer.embed.protocol import Embedder
from indexer.embed.remote import RemoteEmbedder
from indexer.embed.static import StaticEmbedder
from indexer.embed.table import StaticTable

__all__ = [
    "REMOTE_VERSION",
    "Embedder",
    "RemoteEmbedder",
    "StaticEmbedder",
    "StaticTable",
    "default_embedder",
    "make_embedder",
]

REMOTE_VERSION = "embedder.json"
"""File in the data directory that says which model of an embedding server the vectors are of."""

_TABLE = Path(__file__).with_name("static_table.npz")


@functools.cache
def default_embedder() -> Embedder:
    """Return the embedder that ships with Hearth, loaded once a process."""
    return StaticEmbedder(StaticTable.load(_TABLE))


def make_embedder(config: EmbedderConfig, data: Path) -> Embedder:
    """Return the embedder for an index in ``data``: the server that the settings name, else the one that ships."""
    return RemoteEmbedder(config, data / REMOTE_VERSION) if config.configured else default_embedder()
