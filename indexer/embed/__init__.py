"""Vectors for chunks and queries.

:func:`default_embedder` gives the embedder that ships with Hearth; anything with the shape of :class:`Embedder`
can take its place.
"""

from __future__ import annotations

import functools
from pathlib import Path

from indexer.embed.protocol import Embedder
from indexer.embed.static import StaticEmbedder
from indexer.embed.table import StaticTable

__all__ = ["Embedder", "StaticEmbedder", "StaticTable", "default_embedder"]

_TABLE = Path(__file__).with_name("static_table.npz")


@functools.cache
def default_embedder() -> Embedder:
    """Return the embedder that ships with Hearth, loaded once a process."""
    return StaticEmbedder(StaticTable.load(_TABLE))
