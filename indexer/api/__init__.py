"""What the rest of Hearth may ask of the index. Nothing outside of the indexer imports deeper than this."""

from indexer.api.index import Index
from indexer.api.parsing import parse_source
from indexer.parse import GrowingSource, SourceToken, detect_language

__all__ = ["GrowingSource", "Index", "SourceToken", "detect_language", "parse_source"]
