"""Markdown, reStructuredText and AsciiDoc: one section a chunk."""

from __future__ import annotations

import re

from indexer.chunk.limits import ChunkLimits
from indexer.chunk.plain import plain_spans
from indexer.chunk.spans import SourceLines, Span
from indexer.parse import Definition
from indexer.types import Symbol, SymbolKind

_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*\r?$")
_ASCIIDOC = re.compile(r"^(={1,6})[ \t]+(\S.*?)[ \t]*\r?$")
_MARKED = {"markdown": _ATX, "asciidoc": _ASCIIDOC}
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r"^([=\-~^\"'`#*+:._])\1{2,}[ \t]*\r?$")
_MAX_NAME = 160


def prose_outline(lines: SourceLines, language: str, limits: ChunkLimits) -> tuple[tuple[Definition, ...], list[Span]]:
    """Return the headings as definitions that enclose their sections, and the spans of the sections.

    Sections that fit together under one heading are joined; larger ones are cut at blank lines.
    """
    headings = _headings(lines, language)
    definitions: list[Definition] = []
    path: list[tuple[int, str]] = []
    for (row, level, name), end in zip(headings, _section_ends(headings, len(lines)), strict=True):
        while path and path[-1][0] >= level:
            path.pop()
        symbol = Symbol(
            name=name[:_MAX_NAME],
            kind=SymbolKind.HEADING,
            scope=" > ".join(title for _, title in path),
            start_line=row + 1,
            end_line=end + 1,
            signature=lines.lines[row].strip()[:_MAX_NAME],
        )
        definitions.append(Definition(symbol, row, end))
        path.append((level, name[:_MAX_NAME]))
    return tuple(definitions), _sections(lines, [row for row, _, _ in headings], limits)


def _section_ends(headings: list[tuple[int, int, str]], rows: int) -> list[int]:
    """Return the last row of each heading's section: before the next heading of its level or above."""
    ends = [rows - 1] * len(headings)
    waiting: list[int] = []
    for index, (row, level, _) in enumerate(headings):
        while waiting and headings[waiting[-1]][1] >= level:
            ends[waiting.pop()] = row - 1
        waiting.append(index)
    return ends


def _headings(lines: SourceLines, language: str) -> list[tuple[int, int, str]]:
    """List ``(row, level, title)``."""
    found: list[tuple[int, int, str]] = []
    fence = ""
    adornments: list[str] = []
    for row, line in enumerate(lines.lines):
        if language == "markdown" and (match := _FENCE.match(line)):
            mark = match.group(1)
            if not fence:
                fence = mark
            elif mark[0] == fence[0] and len(mark) >= len(fence) and not line.strip().strip(mark[0]):
                fence = ""
            continue
        if fence:
            continue
        if (marked := _MARKED.get(language)) is not None and (match := marked.match(line)):
            found.append((row, len(match.group(1)), match.group(2)))
        elif row > 0 and (match := _UNDERLINE.match(line)) and _titled(lines, row, language):
            title = lines.lines[row - 1].strip()
            if language == "markdown":
                found.append((row - 1, 1 if match.group(1) == "=" else 2, title))
            else:
                # In reStructuredText the order in which adornments appear gives their level.
                over = row > 1 and lines.lines[row - 2].strip() == line.strip()
                adornment = match.group(1) * (2 if over else 1)
                if adornment not in adornments:
                    adornments.append(adornment)
                found.append((row - 2 if over else row - 1, adornments.index(adornment) + 1, title))
    return found


def _titled(lines: SourceLines, row: int, language: str) -> bool:
    """Whether the row above an underline is its title, not a paragraph, a table or a list."""
    title = lines.lines[row - 1]
    underline = lines.lines[row].strip()
    if not title.strip() or title.startswith((" ", "\t", "|", "-", "*", ">")) or _UNDERLINE.match(title):
        return False
    if language == "markdown":
        return underline[0] in "=-" and (row < 2 or lines.blank(row - 2))
    return len(underline) >= len(title.strip()) - 1 and (
        row < 2 or lines.blank(row - 2) or lines.lines[row - 2].strip() == underline
    )


def _sections(lines: SourceLines, starts: list[int], limits: ChunkLimits) -> list[Span]:
    edges = sorted({0, *starts})
    spans: list[Span] = []
    for first, following in zip(edges, [*edges[1:], len(lines)], strict=True):
        last = following - 1
        size = lines.size(first, last)
        if size <= limits.max_chars and last - first < limits.max_lines:
            # A heading with a line or two under it says more together with its neighbour.
            if spans and size + lines.size(spans[-1].first, spans[-1].last) <= limits.small_chars:
                spans[-1] = Span(spans[-1].first, last)
            else:
                spans.append(Span(first, last))
        else:
            spans.extend(plain_spans(lines, first, last, limits))
    return spans
