"""Cutting a parsed file: definitions stay whole while they fit, large ones are cut between inner statements.

The idea is that of cAST (arXiv 2506.15655): split top-down where a node is too large, then join small neighbours.
Work is by rows; nodes that share a row are never separated. Only nodes that are too large are opened, with a stack of
our own, so the time is bounded by the nodes near the cuts and nesting cannot exhaust Python's stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tree_sitter import Node, Tree

from indexer.chunk.limits import ChunkLimits
from indexer.chunk.plain import plain_spans
from indexer.chunk.spans import SourceLines, Span, trimmed
from indexer.parse import Outline
from indexer.parse.definitions import last_row
from indexer.types import SymbolKind

_MAX_DEPTH = 200
"""Nodes opened inside one another; deeper ones are cut as plain text."""
_MAX_CHILDREN = 50_000
"""A node with more children is data; it is cut as plain text."""

_SUBSTANTIAL = frozenset(
    {
        SymbolKind.FUNCTION,
        SymbolKind.METHOD,
        SymbolKind.CLASS,
        SymbolKind.STRUCT,
        SymbolKind.INTERFACE,
        SymbolKind.ENUM,
        SymbolKind.TRAIT,
        SymbolKind.MODULE,
    }
)


def syntax_spans(tree: Tree, lines: SourceLines, outline: Outline, limits: ChunkLimits) -> list[Span]:
    """Cut a whole file; the spans are in order and cover every row that is not blank."""
    starts = {
        item.symbol.start_line - 1: item.last_row for item in outline.definitions if item.symbol.kind in _SUBSTANTIAL
    }
    pieces = list(_pieces(tree.root_node, lines, outline, starts, limits))
    return _joined(pieces, lines, limits)


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring nodes that share rows, with the rows that belong to them; ``node`` is the largest of them."""

    first: int
    last: int
    node: Node


def _pieces(
    root: Node, lines: SourceLines, outline: Outline, starts: dict[int, int], limits: ChunkLimits
) -> Iterator[Span]:
    # Each entry is (first row, last row, node to open, depth, rows of what was opened around it, whether it opens it).
    stack: list[tuple[int, int, Node | None, int, tuple[int, int], bool]] = [
        (0, len(lines) - 1, root, 0, (0, len(lines) - 1), False)
    ]
    while stack:
        first, last, node, depth, within, head = stack.pop()
        if depth > 0 and _fits(lines, first, last, limits):
            ends = [starts.get(row, -1) for row in _start_rows(node)] if node is not None else []
            # Blank rows after the definition belong to its group.
            whole = any(first <= end <= last and not lines.size(end + 1, last) for end in ends)
            yield Span(first, last, within, whole, head)
            continue
        groups = _groups(node, first, last, outline) if node is not None and depth <= _MAX_DEPTH else []
        if not groups:
            pieces = plain_spans(lines, first, last, limits, within)
            yield from pieces[:-1]
            yield from (replace(piece, head=head) for piece in pieces[-1:])
            continue
        # A node that fills its parent's rows is not a place of its own.
        inner = within if len(groups) == 1 else (first, last)
        opened = [
            (
                group.first,
                group.last,
                group.node if group.node.child_count else None,
                depth + 1,
                inner,
                depth > 0 and index == 0 and len(groups) > 1,
            )
            for index, group in enumerate(groups)
        ]
        stack.extend(reversed(opened))


def _start_rows(node: Node) -> Iterator[int]:
    """Yield the rows where the definition that ``node`` is, or wraps (decorators, ``export``), may start."""
    yield node.start_point[0]
    if node.named_child_count:
        yield node.named_children[-1].start_point[0]


def _fits(lines: SourceLines, first: int, last: int, limits: ChunkLimits) -> bool:
    return last - first < limits.max_lines and lines.size(first, last) <= limits.max_chars


def _groups(node: Node, first: int, last: int, outline: Outline) -> list[_Group]:
    """Divide rows ``first..last`` among the children of ``node``; comments and decorators go with what follows."""
    if node.child_count > _MAX_CHILDREN:
        return []
    groups: list[_Group] = []
    largest = 0
    for child in node.children:
        child_first, child_last = max(child.start_point[0], first), min(last_row(child), last)
        if child_last < first or child_first > last:
            continue
        size = child.end_byte - child.start_byte
        above = groups[-1] if groups else None
        if above is not None and child_first <= above.last:
            keep = above.node if largest >= size else child
            groups[-1] = _Group(above.first, max(above.last, child_last), keep)
            largest = max(largest, size)
        else:
            groups.append(_Group(child_first, child_last, child))
            largest = size
    if len(groups) > 1:
        groups = _attached(groups, outline)
    return _filled(groups, first, last)


def _attached(groups: list[_Group], outline: Outline) -> list[_Group]:
    """Let comments and decorators that stand directly above a group belong to it."""
    result: list[_Group] = []
    for group in groups:
        outer = outline.outer_row(group.first)
        start = group.first
        while result and result[-1].first >= outer and outer < group.first:
            start = min(start, result.pop().first)
        result.append(_Group(start, group.last, group.node))
    return result


def _filled(groups: list[_Group], first: int, last: int) -> list[_Group]:
    """Hand rows between groups to the group above, so that together they cover ``first..last``."""
    filled: list[_Group] = []
    for index, group in enumerate(groups):
        start = first if index == 0 else group.first
        end = groups[index + 1].first - 1 if index + 1 < len(groups) else last
        filled.append(_Group(start, end, group.node))
    return filled


def _joined(pieces: list[Span], lines: SourceLines, limits: ChunkLimits) -> list[Span]:
    """Join small neighbours: imports, constants, short functions, a closing brace with what it closes."""
    result: list[Span] = []
    for raw in pieces:
        piece = trimmed(lines, raw)
        if piece is None:
            continue
        if result and _belong_together(result[-1], piece, lines, limits):
            above = result[-1]
            within = above.within if above.within[0] <= piece.within[0] else piece.within
            result[-1] = Span(above.first, piece.last, within, False, above.head or piece.head)
        else:
            result.append(piece)
    return result


def _belong_together(above: Span, below: Span, lines: SourceLines, limits: ChunkLimits) -> bool:
    size_above, size_below = lines.size(above.first, above.last), lines.size(below.first, below.last)
    if size_below <= _CLOSING_CHARS:
        return True
    if below.last - above.first >= limits.max_lines or size_above + size_below > limits.max_chars:
        return False
    if above.head and below.first <= above.within[1]:
        return size_above <= limits.small_chars or size_above + size_below <= limits.merge_chars
    if above.within != below.within or below.head:
        return False
    if above.whole or below.whole:
        both = size_above <= limits.small_chars and size_below <= limits.small_chars
        return both and size_above + size_below <= limits.merge_chars
    return size_above + size_below <= limits.merge_chars


_CLOSING_CHARS = 4
"""What is this short is punctuation that closes what stands above."""
