"""Vectors for chunks and queries.

:func:`default_embedder` gives the embedder that ships with Hearth; anything with the shape of :class:`Embedder`
can take its place.
"""

from __future__ import annotations

import functools

from indexer.embed.protocol import Embedder
from indexer.embed.static import StaticEmbedder

__all__ = ["Embedder", "StaticEmbedder", "default_embedder"]


@functools.cache
def default_embedder() -> Embedder:
    """Return the embedder that ships with Hearth, loaded once a process."""
    return StaticEmbedder.untrained()
