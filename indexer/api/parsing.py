"""Text that is not in the index (an open document) seen through the same eyes."""

from __future__ import annotations

from indexer.chunk import chunk_text
from indexer.types import ParsedFile


def parse_source(text: str, language: str) -> ParsedFile:
    """Cut ``text`` into chunks, symbols and imports, as indexing would; it may be incomplete code."""
    return chunk_text(text, language)
