"""Runs of rows, and how they become chunks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from indexer.parse import Definition
from indexer.types import Chunk, SymbolKind


@dataclass(frozen=True, slots=True)
class SourceLines:
    r"""The lines of a text, split at ``\n`` only, with running sums so that the size of any run is one subtraction.

    ``sums[i]`` counts the characters of the first ``i`` lines, without indentation and trailing white space.
    """

    lines: tuple[str, ...]
    sums: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> SourceLines:
        """Split ``text``; a last line without a newline counts, an empty one after the last newline does not."""
        lines = text.split("\n")
        if len(lines) > 1 and not lines[-1]:
            lines.pop()
        return cls(tuple(lines), tuple(accumulate((len(line.strip()) for line in lines), initial=0)))

    def __len__(self) -> int:
        return len(self.lines)

    def size(self, first: int, last: int) -> int:
        """Characters of rows ``first..last``, white space at both ends of lines not counted."""
        return self.sums[last + 1] - self.sums[first]

    def blank(self, row: int) -> bool:
        """Whether the row has nothing but white space."""
        return self.sums[row] == self.sums[row + 1]

    def text(self, first: int, last: int) -> str:
        """Rows ``first..last`` as they stand, without the last newline."""
        return "\n".join(self.lines[first : last + 1])


@dataclass(frozen=True, slots=True)
class Span:
    """Rows ``first..last``, 0-based and inclusive.

    ``within`` are the first and last row of what was opened to get here: spans with the same ``within`` are
    siblings. ``whole`` says that the span is one complete definition; ``head`` that it opens what the spans after it
    continue (a class's first line and fields).
    """

    first: int
    last: int
    within: tuple[int, int] = (0, 0)
    whole: bool = False
    head: bool = False


def trimmed(lines: SourceLines, span: Span) -> Span | None:
    """Drop blank rows at both ends; None when nothing is left."""
    first, last = span.first, min(span.last, len(lines) - 1)
    while first <= last and lines.blank(first):
        first += 1
    while last >= first and lines.blank(last):
        last -= 1
    if first > last:
        return None
    return span if (first, last) == (span.first, span.last) else replace(span, first=first, last=last)


def to_chunks(lines: SourceLines, spans: Iterable[Span], definitions: Sequence[Definition]) -> tuple[Chunk, ...]:
    """Make chunks of spans, each named by the definition that it shows most of."""
    chunks: list[Chunk] = []
    ordered = sorted(definitions, key=lambda item: (item.outer_row, -item.last_row))
    position = 0
    open_definitions: list[Definition] = []
    for raw in spans:
        span = trimmed(lines, raw)
        if span is None:
            continue
        open_definitions = [item for item in open_definitions if item.last_row >= span.first]
        inside: list[Definition] = []
        while position < len(ordered) and ordered[position].outer_row <= span.last:
            item = ordered[position]
            position += 1
            (inside if item.outer_row >= span.first else open_definitions).append(item)
        shown = _shown(span, inside, [item for item in open_definitions if item.last_row >= span.first])
        open_definitions.extend(item for item in inside if item.last_row > span.last)
        text = lines.text(span.first, span.last)
        if shown is None:
            chunks.append(Chunk(text, span.first + 1, span.last + 1))
        else:
            symbol = shown.symbol
            chunks.append(Chunk(text, span.first + 1, span.last + 1, symbol.name, str(symbol.kind), symbol.scope))
    return tuple(chunks)


_WEIGHT = {
    SymbolKind.FIELD: 0.2,
    SymbolKind.VARIABLE: 0.3,
    SymbolKind.CONSTANT: 0.3,
    SymbolKind.MACRO: 0.5,
    SymbolKind.HEADING: 1.0,
}


def _shown(span: Span, inside: Sequence[Definition], around: Sequence[Definition]) -> Definition | None:
    """Prefer the definition that starts here and fills most rows; else the innermost that encloses the span."""
    best: Definition | None = None
    best_share = 0.0
    for item in inside:
        rows = min(item.last_row, span.last) - item.outer_row + 1
        share = rows * _WEIGHT.get(item.symbol.kind, 1.0)
        if share > best_share:
            best, best_share = item, share
    enclosing = [item for item in around if item.last_row >= span.last and item.symbol.kind is not SymbolKind.FIELD]
    if best is not None and (not enclosing or best.symbol.kind not in {SymbolKind.FIELD, SymbolKind.VARIABLE}):
        return best
    if enclosing:
        return max(enclosing, key=lambda item: (item.outer_row, -item.last_row))
    if best is not None:
        return best
    return max(around, key=lambda item: item.outer_row) if around else None
