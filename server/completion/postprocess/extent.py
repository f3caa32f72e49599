"""Where a suggestion ends: at the end of the line, or of the block that it opens or continues.

Blocks are told by indentation, but first by what the syntax says of brackets, strings and comments that go on over
lines.
"""

from __future__ import annotations

import re

from server.completion.postprocess.cursor import Cursor
from server.completion.postprocess.draft import Draft
from server.completion.postprocess.opening import goes_on_below, opens_block
from server.completion.postprocess.syntax import LineEnd

_CLOSERS = (")", "]", "}", "end", "fi", "done", "esac")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_ANY_BRACKET = re.compile(r"[()\[\]{}]")
_TEXT_OR_COMMENT = re.compile(r"""["'`/#\\]""")
"""What may begin a string, a comment or a pattern, in which a bracket is none."""
_FIRST_WORD = re.compile(r"\s*(\w*)(\W?)")
_BEGINNERS = frozenset({"@", "#", "/", "<", "*", "&", "'", '"', "$", "-", "~", "!", "("})
"""Characters that begin a statement, or a comment above one."""
_CLAUSES = frozenset({"else", "elif", "elsif", "elseif", "except", "finally", "catch", "rescue", "ensure"})
"""Words that begin one more part of the statement whose block ends above them."""
_CONTINUES = (":", ",", ".", "&&", "||", "?")
"""What a line begins with that goes on with the statement above it."""
_PREPROCESSED = frozenset({"c", "cpp", "csharp"})
"""Languages with lines for a preprocessor, which stand in the first column or anywhere else."""
_WORDED = frozenset({"bash"})
"""Languages whose blocks end with words, so that their lines need not be indented; brackets may stand alone there."""
_GOES_ON = frozenset(
    {"else", "elif", "elsif", "elseif", "except", "finally", "catch", "rescue", "ensure", "while", "until", "case"}
    | {"default", "when", "and", "or", "then", "do", "end", "fi", "done", "esac"}
)
"""Words at the start of a line that belongs to what stands above it."""


def wants_several_lines(line_before: str, line_after: str, language: str) -> bool:
    """Whether a cursor is at a place for more than one line: a blank line, or the end of one that goes on below."""
    if line_after.strip():
        return False
    return not line_before.strip() or goes_on_below(line_before, language)


def end_of_extent(draft: Draft, cursor: Cursor) -> Draft:
    """End after one line, or where the block ends; hold back lines whose place is not known yet."""
    if not cursor.multiline:
        end = draft.text.find("\n")
        return draft if end < 0 else draft.cut(end)
    return _Block(draft, cursor).limit()


class _Block:
    def __init__(self, draft: Draft, cursor: Cursor) -> None:
        self._draft = draft
        self._cursor = cursor
        self._base = _width_of_statement(cursor)
        self._inside_opened = bool(cursor.line_before.strip())
        if not self._inside_opened:
            # On a blank line the indentation may be the suggestion's own first characters.
            first = draft.text.split("\n", 1)[0]
            self._base = cursor.width(cursor.line_before + first)
        self._syntax = cursor.syntax if "\n" in draft.text else None
        self._opened = self._syntax.opened if self._syntax is not None else 0
        self._opening = False
        """Whether the last line that is not further in than the first opens a block by its indentation."""
        self._deeper = False
        """Whether the line above is in that block."""
        self._level = 0
        """Blocks open in a body that is not indented; 0 when it is, as in most."""

    def limit(self) -> Draft:
        draft, at, kept, blanks = self._draft, 0, 0, 0
        lines = draft.text.split("\n")
        above: LineEnd | None = None
        for number, line in enumerate(lines):
            start, at = at, at + len(line) + 1
            last = number == len(lines) - 1
            if not line.strip() and number > 0:
                blanks += 1
                if blanks > 1 and not last and not self._goes_on(above, self._opened):
                    return draft.cut(kept)
                continue
            if number >= self._cursor.max_lines:
                return draft.cut(kept)
            if number > 0 and not kept:
                self._level = int(self._is_flat(line))
            if number > 0 and self._ends_before(line, lines[number - 1], above, after_blank=blanks > 0):
                if last and not draft.settled and _may_go_on(line):
                    break
                return draft.cut(kept)
            end = start + len(line)
            here = self._at(end, line, settled=not last or draft.settled)
            if here is not None and here.closed >= start:
                return self._at_closed(here.closed, end, kept, settled=not last or draft.settled)
            kept, blanks = end, 0
            if not last and self._ends_with(line, here, first=number == 0 or self._goes_on(above, 0)):
                return draft.cut(kept)
            self._note(line, above)
            above = here
        return draft if draft.settled else draft.hold(kept)

    def _at(self, end: int, line: str, *, settled: bool) -> LineEnd | None:
        """How it stands at ``end``; a line that is being written is only read once it may close what is open above."""
        if self._syntax is None or (not settled and not _may_close(line)):
            return None
        return self._syntax.at(self._draft.text, end)

    def _at_closed(self, closed: int, end: int, kept: int, *, settled: bool) -> Draft:
        """End before a bracket that is there already, or behind the line with one that the file lacks."""
        draft = self._draft
        until = end
        if draft.text[closed] == self._cursor.closer:
            before = draft.text[:closed].rstrip(" \t")
            until = kept if not before or before.endswith("\n") else len(before)
        return draft.cut(until) if settled else draft.hold(until)

    def _is_flat(self, line: str) -> bool:
        """Whether the first line of a body is not further in than the line that opens it."""
        worded = self._cursor.language in _WORDED and self._inside_opened
        return worded and bool(line.strip()) and self._cursor.width(line) == self._base

    def _note(self, line: str, above: LineEnd | None) -> None:
        if (above is not None and above.in_text) or self._is_directive(line):
            return
        if self._cursor.width(line) > self._base:
            self._deeper = self._opening
        else:
            self._opening = opens_block(line, self._cursor.language) and not line.rstrip().endswith(("(", "["))
            self._deeper = False

    @staticmethod
    def _goes_on(above: LineEnd | None, opened: int) -> bool:
        """Whether the line above ends in the middle of a string, or with more brackets open than ``opened``."""
        return above is not None and (above.in_text or above.open > opened)

    def _ends_before(self, line: str, line_above: str, above: LineEnd | None, *, after_blank: bool) -> bool:
        if (above is not None and above.in_text) or self._is_directive(line):
            return False
        width = self._cursor.width(line)
        if self._level:
            return width < self._base
        if width < self._base:
            owed = self._cursor.owed if above is not None and not self._inside_opened else ""
            return not (owed and line.lstrip().startswith(owed))
        if width > self._base or self._goes_on(above, 0):
            return False
        if self._inside_opened:
            return not line.lstrip().startswith(_CLOSERS) and not _begins_clause(line)
        return after_blank or (self._ended_block(line_above) and not _belongs_to_above(line))

    def _is_directive(self, line: str) -> bool:
        """Whether a line is for a preprocessor, inside of a block whose extent it says nothing about."""
        inside = self._inside_opened or self._base > 0
        return inside and self._cursor.language in _PREPROCESSED and line.lstrip().startswith("#")

    def _ended_block(self, line_above: str) -> bool:
        return self._deeper or line_above.strip().startswith(("}", "end", "fi", "done", "esac"))

    def _ends_with(self, line: str, here: LineEnd | None, *, first: bool) -> bool:
        """Whether ``line`` closes the block that the cursor's line opened.

        ``first`` when its indentation says nothing: it is the rest of the cursor's line, or of a string or call.
        """
        if not self._inside_opened or _begins_clause(line) or self._is_directive(line):
            return False
        if self._level:
            self._level += opens_block(line, self._cursor.language) - line.lstrip().startswith(_CLOSERS)
            return not self._level
        if opens_block(line, self._cursor.language):
            if here is not None and not here.open:
                # Such as the end of a signature: from here on the block is one without brackets.
                self._opened = 0
            return False
        if here is not None and self._opened:
            return not here.open and not here.in_text
        return not first and self._cursor.width(line) == self._base and not self._goes_on(here, 0)


def _width_of_statement(cursor: Cursor) -> int:
    """Columns of the line on which the cursor's statement begins: one above, if its line ends a call or signature."""
    line, width = cursor.line_before, cursor.width(cursor.line_before)
    filled = [above for above in cursor.above if above.strip()]
    if cursor.language not in _WORDED and line.count(")") > line.count("("):
        begins = (cursor.width(above) for above in filled)
        return next((outer for outer in begins if outer < width), width)
    for above in filled:
        if not line.lstrip().startswith(_CONTINUES) and not above.rstrip().endswith(","):
            break
        # Such as the second line of a list of initialisers: the statement begins further up.
        line, width = above, min(width, cursor.width(above))
    return width


def _begins_clause(line: str) -> bool:
    word = _FIRST_WORD.match(line)
    return word is not None and word.group(1) in _CLAUSES


def _belongs_to_above(line: str) -> bool:
    word = _FIRST_WORD.match(line)
    return word is None or word.group(1) in _GOES_ON or (not word.group(1) and word.group(2) not in _BEGINNERS)


def _may_close(line: str) -> bool:
    """Whether a line may close what was opened above it; parsing at each token would cost most of a stream."""
    if not any(bracket in line for bracket in _PAIRS):
        return False
    if _TEXT_OR_COMMENT.search(line):
        return True
    opened: list[str] = []
    for character in _ANY_BRACKET.findall(line):
        if character not in _PAIRS:
            opened.append(character)
        elif not opened or opened.pop() != _PAIRS[character]:
            return True
    return False


def _may_go_on(line: str) -> bool:
    """Whether a line that is not complete may still turn out to belong to what stands above it."""
    word = line.strip()
    return not word or any(known.startswith(word) for known in _GOES_ON)
