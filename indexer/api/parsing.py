"""Text that is not in the index (an open document) seen through the same eyes."""

from __future__ import annotations

from indexer.chunk import chunk_blob
from indexer.config import IndexConfig
from indexer.types import ParsedFile

_CONFIG = IndexConfig()


def parse_source(text: str, language: str, config: IndexConfig = _CONFIG) -> ParsedFile:
    """Cut ``text`` into chunks, symbols and imports, as indexing would; it may be incomplete code."""
    return chunk_blob(text.encode("utf-8", "replace"), language, config)
