"""What exactly is being explained: a definition, or some lines; and where the index has the same lines."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.api import Index
from indexer.types import ParsedFile, Symbol, SymbolKind
from server.context.receivers import enclosing_symbols
from server.explain.values import ExplainTarget

_MEANT = frozenset(
    {
        SymbolKind.FUNCTION, SymbolKind.METHOD, SymbolKind.CLASS, SymbolKind.STRUCT, SymbolKind.INTERFACE,
        SymbolKind.ENUM, SymbolKind.TRAIT, SymbolKind.TYPE, SymbolKind.MACRO, SymbolKind.HEADING, SymbolKind.MODULE,
    }
)  # fmt: skip
"""Kinds that "the definition around this line" means; a field or variable only when the line is all of it."""
_MAX_LINES = 400


@dataclass(frozen=True, slots=True)
class Subject:
    """The lines to explain.

    ``symbol`` is the definition that they are, ``enclosing`` the innermost one around them otherwise.
    ``commit`` is that of the index when the document is as indexed, else empty; ``indexed_lines`` are the same lines in
    the indexed version, None when it has none.
    """

    start_line: int
    end_line: int
    text: str
    symbol: Symbol | None
    enclosing: Symbol | None
    commit: str
    indexed_lines: tuple[int, int] | None


def find_subject(target: ExplainTarget, parsed: ParsedFile, index: Index | None) -> Subject:
    """Decide what ``target`` means. Lines outside of the document are brought inside."""
    lines = target.text.replace("\r\n", "\n").split("\n")
    start = min(max(1, target.start_line), len(lines))
    end = min(max(start, target.end_line), len(lines))
    symbol = _symbol_around(parsed, start) if target.whole_symbol else _symbol_selected(parsed, lines, start, end)
    if symbol is not None:
        start, end = symbol.start_line, min(symbol.end_line, len(lines))
    elif target.whole_symbol:
        start, end = _paragraph(parsed, lines, start)
    around = [outer for outer in enclosing_symbols(parsed, start) if outer is not symbol and outer.end_line >= end]
    end = min(end, start + _MAX_LINES - 1)
    text = "\n".join(lines[start - 1 : end])
    commit, indexed_lines = _indexed(target, lines, start, end, index)
    return Subject(start, end, text, symbol, around[-1] if around else None, commit, indexed_lines)


def _symbol_around(parsed: ParsedFile, line: int) -> Symbol | None:
    around = enclosing_symbols(parsed, line)
    for symbol in reversed(around):
        if symbol.kind in _MEANT or symbol.start_line == line:
            return symbol
    return None


def _symbol_selected(parsed: ParsedFile, lines: list[str], start: int, end: int) -> Symbol | None:
    """The definition that the selection covers, give or take blank lines and decorators around it."""
    while start < end and not lines[start - 1].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    best: Symbol | None = None
    for symbol in parsed.symbols:
        inside = start <= symbol.start_line <= start + 3 and symbol.end_line <= end
        length = symbol.end_line - symbol.start_line + 1
        if (
            inside
            and length >= 0.8 * (end - start + 1)
            and (best is None or length > best.end_line - best.start_line + 1)
        ):
            best = symbol
    return best


def _paragraph(parsed: ParsedFile, lines: list[str], line: int) -> tuple[int, int]:
    """The chunk around ``line``, or the lines around it up to blank ones."""
    for chunk in parsed.chunks:
        if chunk.start_line <= line <= chunk.end_line and chunk.end_line - chunk.start_line < 60:
            return chunk.start_line, chunk.end_line
    start = end = line
    while start > 1 and lines[start - 2].strip():
        start -= 1
    while end < len(lines) and lines[end].strip():
        end += 1
    return start, end


def _indexed(
    target: ExplainTarget, lines: list[str], start: int, end: int, index: Index | None
) -> tuple[str, tuple[int, int] | None]:
    """The commit of the index when its version is the document, and where it has the subject's lines."""
    if index is None or not target.repository:
        return "", None
    if target.scope.repositories is not None and target.repository not in target.scope.repositories:
        return "", None
    text = index.file_text(target.repository, target.ref, target.path)
    if text is None:
        return "", None
    indexed = text.replace("\r\n", "\n").split("\n")
    if indexed == lines:
        return index.commit(target.repository, target.ref), (start, end)
    wanted = lines[start - 1 : end]
    places = [at for at, line in enumerate(indexed) if line == wanted[0] and indexed[at : at + len(wanted)] == wanted]
    return "", (places[0] + 1, places[0] + len(wanted)) if len(places) == 1 else None
