"""Blobs to chunks, symbols and imports: the one entry point is :func:`chunk_blob`."""

from indexer.chunk.blob import chunk_blob, chunk_text, outline_text
from indexer.chunk.limits import ChunkLimits

__all__ = ["ChunkLimits", "chunk_blob", "chunk_text", "outline_text"]
