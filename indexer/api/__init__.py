"""What the rest of Hearth may ask of the index. Nothing outside of the indexer imports deeper than this."""

from indexer.api.index import Index
from indexer.api.parsing import parse_source
from indexer.parse import GrowingSource, SourceToken, detect_language
from indexer.secrets import Allowances, Finding, blank, find_secrets

__all__ = [
    "Allowances",
    "Finding",
    "GrowingSource",
    "Index",
    "SourceToken",
    "blank",
    "detect_language",
    "find_secrets",
    "parse_source",
]
