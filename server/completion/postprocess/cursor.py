"""What the steps need to know of the text around the cursor. Built once a request, from a window of bounded size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.completion.postprocess.markers import MARKERS
from server.completion.postprocess.syntax import Syntax
from server.types import CompletionRequest

_WINDOW = 20_000
_MAX_NEIGHBOURS = 12
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_INDENTED = re.compile(r"^([ \t]+)\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cursor:
    r"""The surroundings of one cursor, with ``\n`` as the only line end.

    Attributes:
        line_before: From the start of the cursor's line to the cursor.
        line_after: From the cursor to the end of its line.
        above: Lines above the cursor's, the nearest first.
        below: Lines below the cursor's that are not blank, the nearest first.
        eol: The line end of the file.
        tabs: Whether the file indents with tabs; ``None`` when it does not indent anywhere near.
        indent_width: Columns of one level where the file indents with spaces; how wide a tab counts otherwise.
        multiline: Whether more than one line may be proposed.
        max_lines: Most lines of a suggestion.
        closer: The bracket with which the lines below close what is open at the cursor; empty if they do not.
        owed: The bracket that would close the block around the cursor's blank line, if the lines below do not.
        syntax: Reads suggestions with the language's grammar; ``None`` where nobody will ask.
        markers: Special tokens of models that cannot be meant here, because the file does not mention them.
    """

    line_before: str
    line_after: str
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    eol: str = "\n"
    tabs: bool | None = None
    indent_width: int = 4
    multiline: bool = False
    max_lines: int = 12
    closer: str = ""
    owed: str = ""
    syntax: Syntax | None = field(default=None, compare=False)
    markers: tuple[str, ...] = MARKERS

    @property
    def rest(self) -> str:
        """What stands after the cursor on its line, without blanks around it."""
        return self.line_after.strip()

    def width(self, line: str) -> int:
        """Columns of the line's indentation."""
        return _width(line, self.indent_width)


def cursor_of(request: CompletionRequest, *, max_lines: int = 12) -> Cursor:
    """Describe the cursor of ``request``. Costs the same for a file of any size."""
    before, after = request.prefix[-_WINDOW:], request.suffix[:_WINDOW]
    eol = _line_end(before, after)
    before, after = _plain(before), _plain(after)
    *above, line_before = before.split("\n")
    line_after, *below = after.split("\n")
    tabs, width = _indentation(before, after)
    window = before + after
    closer, owed = _closers(line_before, above, below, width) if request.multiline else ("", "")
    return Cursor(
        line_before=line_before,
        line_after=line_after,
        above=tuple(reversed(above[-_MAX_NEIGHBOURS:])),
        below=tuple([line for line in below[: 4 * _MAX_NEIGHBOURS] if line.strip()][:_MAX_NEIGHBOURS]),
        eol=eol,
        tabs=tabs,
        indent_width=width,
        multiline=request.multiline,
        max_lines=max_lines if request.multiline else 1,
        closer=closer,
        owed=owed,
        syntax=Syntax("".join(f"{line}\n" for line in above), line_before, request.language)
        if request.multiline
        else None,
        markers=tuple(marker for marker in MARKERS if marker not in window),
    )


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line_end(before: str, after: str) -> str:
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
