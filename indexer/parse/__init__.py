"""From bytes to syntax: languages, decoding, what to leave out, trees, definitions and imports."""

from indexer.parse.decoding import decode
from indexer.parse.definitions import Definition, Outline, outline
from indexer.parse.grammar import parse
from indexer.parse.growing import GrowingSource, SourceToken, SourceTokens
from indexer.parse.languages import LanguageSpec, detect_language, language_spec, languages
from indexer.parse.skips import BlobSkip, skip_content, skip_path

__all__ = [
    "BlobSkip",
    "Definition",
    "GrowingSource",
    "LanguageSpec",
    "Outline",
    "SourceToken",
    "SourceTokens",
    "decode",
    "detect_language",
    "language_spec",
    "languages",
    "outline",
    "parse",
    "skip_content",
    "skip_path",
]
