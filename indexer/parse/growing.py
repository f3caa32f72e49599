"""Syntax of text that is being written behind other text, which is parsed once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Parser, Tree, TreeCursor

from indexer.parse.grammar import parser_of
from indexer.parse.reading import reader

STEP_SECONDS = 0.006
"""Of the processor's time, so that what else a machine does makes no difference. A question that takes longer is the
last one: such text is not worth parsing between two keys."""
_OVER_LINES = {'"""': '"""', "'''": "'''", "`": "`", "/*": "*/"}
"""What begins text over several lines, and its end. A parser that finds no end reads on as if the text were code."""
_LONGEST_START = 6


class SourceToken(NamedTuple):
    """A leaf of the syntax tree; ``start`` and ``end`` count characters from where the growing text begins.

    ``sign`` says that it is a sign or keyword of the grammar, not a name or a piece of a string that looks like one.
    """

    start: int
    end: int
    text: str
    sign: bool


class SourceTokens(NamedTuple):
    """The tokens of a growing text, and how many of them stand before a string or comment in which it ends.

    That goes on over lines. What a parser made of it are no tokens, since it has not seen its end.
    """

    tokens: list[SourceToken]
    certain: int

    @property
    def inside(self) -> bool:
        """Whether the text ends in a string or comment that goes on over lines."""
        return self.certain < len(self.tokens)


class GrowingSource:
    """The tokens of a text that grows behind ``before``. To be used by one thread.

    Args:
        before: What stands before it; parsed once, at the first question, in a millisecond for 8,000 characters.
        language: As in ``languages.toml``.
    """

    def __init__(self, before: str, language: str) -> None:
        self._parser = parser_of(language)
        self._before = before.encode()
        self._tree: Tree | None = None

    def tokens(self, text: str) -> SourceTokens | None:
        """Return the tokens of ``text``, in a fraction of a millisecond for some tens of lines.

        ``None`` when the language has no grammar, or when parsing took too long, now or earlier.
        """
        if self._parser is None:
            return None
        deadline = time.thread_time() + STEP_SECONDS
        if self._tree is None:
            self._tree = self._parse(self._parser, self._before, None, deadline)
        source = self._before + text.encode()
        tree = self._parse(self._parser, source, self._tree, deadline) if self._tree is not None else None
        if tree is None:
            self._parser = None
            return None
        found = list(self._read(tree.walk(), source, ascii_only=text.isascii()))
        return SourceTokens(found, _certain(found))

    def _parse(self, parser: Parser, source: bytes, before: Tree | None, deadline: float) -> Tree | None:
        def out_of_time(_offset: int, _has_error: bool) -> bool:
            return time.thread_time() > deadline

        try:
            if before is None:
                return parser.parse(reader(source), progress_callback=out_of_time)
            # Always from the tree without the text: what a tree says of a string without its end, it goes on to say
            # when the end has come.
            tree = before.copy()
            start, end = len(self._before), len(source)
            here = _point(source, start)
            tree.edit(start, start, end, here, here, _point(source, end))
            return parser.parse(reader(source), tree, progress_callback=out_of_time)
        except ValueError:
            # As in `parse`: stopped by the callback.
            parser.reset()
            return None

    def _read(self, cursor: TreeCursor, source: bytes, *, ascii_only: bool) -> Iterator[SourceToken]:
        base = len(self._before)
        for start, end, named in _leaves(cursor, base):
            written = source[start:end].decode(errors="replace")
            first = start - base
            if not ascii_only and first > 0:
                first = len(source[base:start].decode(errors="replace"))
            yield SourceToken(first, first + len(written), written, not named)


def _leaves(cursor: TreeCursor, base: int) -> Iterator[tuple[int, int, bool]]:
    """Yield the bytes of each leaf that has some behind ``base``, in their order, and whether it is named."""
    while True:
        node = cursor.node
        if node is not None and node.end_byte > base:
            # Of what begins before it there may be thousands.
            if cursor.goto_first_child_for_byte(base) is not None:
                continue
            yield max(node.start_byte, base), node.end_byte, node.is_named
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _certain(tokens: list[SourceToken]) -> int:
    end, begin = "", 0
    for number, token in enumerate(tokens):
        written = token.text
        if written == "*" and number and tokens[number - 1].text == "/" and tokens[number - 1].end == token.start:
            written = "/*"
        if end:
            end = "" if written.endswith(end) else end
        elif len(written) < _LONGEST_START:
            end, begin = next(
                ((close, number) for mark, close in _OVER_LINES.items() if written.endswith(mark)), ("", 0)
            )
    return begin if end else len(tokens)


def _point(source: bytes, at: int) -> tuple[int, int]:
    return source.count(b"\n", 0, at), at - (source.rfind(b"\n", 0, at) + 1)
