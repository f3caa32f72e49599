"""The way from bytes to a :class:`indexer.types.ParsedFile`."""

from __future__ import annotations

from indexer.chunk.limits import DEFAULT_LIMITS, ChunkLimits
from indexer.chunk.plain import plain_spans
from indexer.chunk.prose import prose_outline
from indexer.chunk.spans import SourceLines, Span, to_chunks
from indexer.chunk.syntax import syntax_spans
from indexer.parse import Outline, decode, outline, parse
from indexer.types import ParsedFile

_PROSE = frozenset({"markdown", "restructuredtext", "asciidoc"})


def chunk_blob(data: bytes, language: str, limits: ChunkLimits = DEFAULT_LIMITS) -> ParsedFile:
    """Cut a blob along its syntax and list its symbols and imports.

    Args:
        data: The blob. One that cannot be decoded has no chunks; ask ``parse.skip_content`` first for the reason.
        language: As :func:`indexer.parse.detect_language` named it.
        limits: Sizes of chunks.

    Returns:
        Chunks in order; together they cover every line that is not blank, and none overlap.
    """
    text = decode(data)
    return ParsedFile(language, ()) if text is None else chunk_text(text, language, limits)


def chunk_text(text: str, language: str, limits: ChunkLimits = DEFAULT_LIMITS) -> ParsedFile:
    """Cut text that is already decoded, for example an unsaved document; see :func:`chunk_blob`."""
    lines = SourceLines.of(text)
    spans: list[Span]
    if language in _PROSE:
        definitions, spans = prose_outline(lines, language, limits)
        return ParsedFile(language, to_chunks(lines, spans, definitions), tuple(item.symbol for item in definitions))
    source = text.encode("utf-8", "surrogatepass")
    tree = parse(source, language)
    if tree is None:
        return ParsedFile(language, to_chunks(lines, plain_spans(lines, 0, len(lines) - 1, limits), ()))
    found: Outline = outline(tree, source, language)
    spans = syntax_spans(tree, lines, found, limits)
    symbols = tuple(item.symbol for item in found.definitions)
    return ParsedFile(language, to_chunks(lines, spans, found.definitions), symbols, found.imports)


def outline_text(text: str, language: str) -> ParsedFile:
    """List the symbols and imports of decoded text as :func:`chunk_text` does, without cutting it into chunks."""
    if language in _PROSE:
        definitions, _ = prose_outline(SourceLines.of(text), language, DEFAULT_LIMITS)
        return ParsedFile(language, (), tuple(item.symbol for item in definitions))
    source = text.encode("utf-8", "surrogatepass")
    tree = parse(source, language)
    if tree is None:
        return ParsedFile(language, ())
    found = outline(tree, source, language)
    return ParsedFile(language, (), tuple(item.symbol for item in found.definitions), found.imports)
