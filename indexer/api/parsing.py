"""Text that is not in the index (an open document) seen through the same eyes."""

from __future__ import annotations

from indexer.chunk import outline_text
from indexer.types import ParsedFile


def parse_source(text: str, language: str) -> ParsedFile:
    """List symbols and imports of ``text`` as indexing would, without chunks; it may be incomplete code."""
    return outline_text(text, language)
