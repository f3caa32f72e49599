"""Cutting text of which no syntax is known: at blank lines, at lines that are not indented, at the limit."""

from __future__ import annotations

from indexer.chunk.limits import ChunkLimits
from indexer.chunk.spans import SourceLines, Span


def plain_spans(
    lines: SourceLines, first: int, last: int, limits: ChunkLimits, within: tuple[int, int] = (0, 0)
) -> list[Span]:
    """Cut rows ``first..last`` into spans of at most ``limits``, at the calmest row of the second half of each.

    A single line longer than the limit is a span of its own.
    """
    spans: list[Span] = []
    start = first
    while start <= last:
        while start <= last and lines.blank(start):
            start += 1
        if start > last:
            break
        end = start
        while end < last and end + 1 - start < limits.max_lines and lines.size(start, end + 1) <= limits.max_chars:
            end += 1
        if end < last:
            end = _calmest(lines, start, end)
        spans.append(Span(start, end, within))
        start = end + 1
    return spans


def _calmest(lines: SourceLines, start: int, end: int) -> int:
    """Return the last row of the piece: the row in ``start..end`` after which a cut disturbs least."""
    best, best_score = end, -1.0
    for row in range(start + (end - start) // 2, end + 1):
        following = lines.lines[row + 1]
        score = (row - start) / (end - start + 1)
        if lines.blank(row) or not following.strip():
            score += 2.0
        indentation = len(following) - len(following.lstrip())
        if following.strip() and not following.lstrip().startswith(("}", ")", "]", "</", "end")):
            score += 1.5 / (1 + indentation)
        if score > best_score:
            best, best_score = row, score
    return best
