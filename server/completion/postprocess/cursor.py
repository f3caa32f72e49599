"""What the steps need to know of the text around the cursor, from a window of bounded size; found when a step asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from server.completion.postprocess.markers import LONGEST_MARKER
from server.completion.postprocess.syntax import Syntax
from server.types import CompletionRequest

_WINDOW = 20_000
_INDENTATION_WINDOW = 4_000
_MAX_NEIGHBOURS = 12
_MAX_LOOKED_AT = 4 * _MAX_NEIGHBOURS
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_INDENTED = re.compile(r"^([ \t]+)[^\s*]", re.MULTILINE)
"""Lines whose indentation tells how the file does it; those of a comment in stars have a space of their own."""


class Shape(NamedTuple):
    """A line as it is compared: columns of its indentation, whatever they are made of, and its text without blanks."""

    width: int
    text: str

    def may_become(self, begun: Shape) -> bool:
        """Whether a line that is not complete may become this one."""
        return self.width == begun.width and self.text.startswith(begun.text)


@dataclass(frozen=True)
class Cursor:
    r"""The surroundings of one cursor, with ``\n`` as the only line end.

    There is one at every key, and most answers need little of it.

    Attributes:
        before: The text before the cursor, as far as it matters.
        after: The text after it.
        language: Of the file.
        eol: The line end of the file.
        multiline: Whether more than one line may be proposed.
        max_lines: Most lines of a suggestion.
    """

    before: str
    after: str
    language: str
    eol: str = "\n"
    multiline: bool = False
    max_lines: int = 12

    @cached_property
    def line_before(self) -> str:
        """From the start of the cursor's line to the cursor."""
        return self.before[self._line_start :]

    @cached_property
    def line_after(self) -> str:
        """From the cursor to the end of its line."""
        return self.after.partition("\n")[0]

    @property
    def rest(self) -> str:
        """What stands after the cursor on its line, without blanks around it."""
        return self.line_after.strip()

    @cached_property
    def above(self) -> tuple[str, ...]:
        """Lines above the cursor's, the nearest first."""
        return tuple(reversed(self.before.rsplit("\n", _MAX_NEIGHBOURS + 1)[-_MAX_NEIGHBOURS - 1 : -1]))

    @cached_property
    def below(self) -> tuple[str, ...]:
        """Lines below the cursor's that are not blank, the nearest first."""
        lines = self.after.split("\n", _MAX_LOOKED_AT + 1)[1 : _MAX_LOOKED_AT + 1]
        return tuple([line for line in lines if line.strip()][:_MAX_NEIGHBOURS])

    @cached_property
    def shapes_below(self) -> tuple[Shape, ...]:
        """The lines of :attr:`below`, as they are compared at every token."""
        return tuple(map(self.shape, self.below))

    @property
    def tabs(self) -> bool | None:
        """Whether the file indents with tabs; ``None`` when it does not indent anywhere near."""
        return self._indentation[0]

    @property
    def indent_width(self) -> int:
        """Columns of one level where the file indents with spaces; how wide a tab counts otherwise."""
        return self._indentation[1]

    @property
    def closer(self) -> str:
        """The bracket with which the lines below close what is open at the cursor; empty if they do not."""
        return self._closers[0]

    @property
    def owed(self) -> str:
        """The bracket that would close the block around the cursor's blank line, if the lines below do not."""
        return self._closers[1]

    @cached_property
    def syntax(self) -> Syntax | None:
        """Reads suggestions with the language's grammar; ``None`` where only one line is wanted."""
        return Syntax(self.before[: self._line_start], self.line_before, self.language) if self.multiline else None

    def width(self, line: str) -> int:
        """Columns of the line's indentation."""
        return _width(line, self.indent_width)

    def shape(self, line: str) -> Shape:
        """Describe a line so that it can be compared with others."""
        return Shape(self.width(line), line.strip())

    def mentions(self, marker: str) -> bool:
        """Whether the file has a model's special token as text of its own."""
        return marker in self.before or marker in self.after or marker in self._seam

    @cached_property
    def _seam(self) -> str:
        return self.before[-LONGEST_MARKER:] + self.after[:LONGEST_MARKER]

    @cached_property
    def _line_start(self) -> int:
        return self.before.rfind("\n") + 1

    @cached_property
    def _indentation(self) -> tuple[bool | None, int]:
        return _indentation(self.before[-_INDENTATION_WINDOW:], self.after[:_INDENTATION_WINDOW])

    @cached_property
    def _closers(self) -> tuple[str, str]:
        if not self.multiline:
            return "", ""
        above, below = self.before[: self._line_start].split("\n")[:-1], self.after.split("\n")[1:]
        return _closers(self.line_before, above, below, self.indent_width)


def cursor_of(request: CompletionRequest, *, max_lines: int = 12) -> Cursor:
    """Describe the cursor of ``request``. Costs the same for a file of any size."""
    before, after = request.prefix[-_WINDOW:], request.suffix[:_WINDOW]
    return Cursor(
        before=_plain(before),
        after=_plain(after),
        language=request.language,
        eol=_line_end(before, after),
        multiline=request.multiline,
        max_lines=max_lines if request.multiline else 1,
    )


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _line_end(before: str, after: str) -> str:
    if "\r" not in before and "\r" not in after:
        return "\n"
    pairs = before.count("\r\n") + after.count("\r\n")
    return "\r\n" if 2 * pairs > before.count("\n") + after.count("\n") else "\n"


def _width(line: str, tab: int) -> int:
    blank = line[: len(line) - len(line.lstrip(" \t"))]
    return len(blank.expandtabs(tab))


def _closers(line_before: str, above: Sequence[str], below: Sequence[str], tab: int) -> tuple[str, str]:
    """Return the bracket that closes the block around the cursor's line below it, and the one that is missing there."""
    inside = _width(line_before, tab)
    opening = next((line for line in reversed(above) if line.strip() and _width(line, tab) < inside), "")
    wanted = _CLOSERS.get(opening.rstrip()[-1:], "")
    filled = [line for line in below if line.strip()]
    nearest = filled[0].lstrip()[0] if filled else ""
    outside = next((line for line in filled if _width(line, tab) < inside), "")
    first = outside.lstrip()[:1]
    if nearest in _CLOSERS.values():
        return nearest, ""
    if first in _CLOSERS.values() and (
        not wanted or (first == wanted and _width(outside, tab) == _width(opening, tab))
    ):
        return first, ""
    return "", wanted


def _indentation(before: str, after: str) -> tuple[bool | None, int]:
    indents = _INDENTED.findall(before) + _INDENTED.findall(after)
    if not indents:
        return None, 4
    with_tabs = sum(indent.startswith("\t") for indent in indents)
    if 2 * with_tabs > len(indents):
        return True, 4
    widths = [len(indent) for indent in indents if not indent.startswith("\t")]
    two = sum(width % 4 == 2 for width in widths)
    return False, 2 if 4 * two > len(widths) else 4
