"""Where a suggestion ends: at the end of the line, or of the block that it opens or continues."""

from __future__ import annotations

from server.completion.postprocess.cursor import Cursor
from server.completion.postprocess.draft import Draft

_CLOSERS = (")", "]", "}", "end", "fi", "done", "esac")
_OPENERS = (":", "{", "(", "[", "=>", "->")
_OPENING_WORDS = frozenset({"do", "then", "else", "begin"})


def opens_block(line: str) -> bool:
    """Whether what follows ``line`` belongs to a block that it opens."""
    code = line.rstrip()
    words = code.split()
    return bool(words) and (code.endswith(_OPENERS) or words[-1] in _OPENING_WORDS)


def wants_several_lines(line_before: str, line_after: str) -> bool:
    """Whether a cursor is at a place for more than one line: a blank line, or the end of one that opens a block."""
    if line_after.strip():
        return False
    return not line_before.strip() or opens_block(line_before)


def end_of_extent(draft: Draft, cursor: Cursor) -> Draft:
    """End after one line, or where the block ends, by indentation; hold back lines whose place is not known yet."""
    if not cursor.multiline:
        end = draft.text.find("\n")
        return draft if end < 0 else draft.cut(end)
    return _Block(draft, cursor).limit()


class _Block:
    def __init__(self, draft: Draft, cursor: Cursor) -> None:
        self._draft = draft
        self._cursor = cursor
        self._base = cursor.width(cursor.line_before)
        self._inside_opened = bool(cursor.line_before.strip())
        if not self._inside_opened:
            # On a blank line the indentation may be the suggestion's own first characters.
            first = draft.text.split("\n", 1)[0]
            self._base = cursor.width(cursor.line_before + first)

    def limit(self) -> Draft:
        draft, at, kept, blanks = self._draft, 0, 0, 0
        lines = draft.text.split("\n")
        for number, line in enumerate(lines):
            start, at = at, at + len(line) + 1
            last = number == len(lines) - 1
            if not line.strip() and number > 0:
                blanks += 1
                if blanks > 1 and not last:
                    return draft.cut(kept)
                continue
            if number >= self._cursor.max_lines:
                return draft.cut(kept)
            if number > 0 and self._ends_before(line, after_blank=blanks > 0):
                return draft.cut(kept)
            kept, blanks = start + len(line), 0
            if number > 0 and not last and self._ends_with(line):
                return draft.cut(kept)
        return draft if draft.settled else draft.hold(kept)

    def _ends_before(self, line: str, *, after_blank: bool) -> bool:
        width = self._cursor.width(line)
        if width != self._base:
            return width < self._base
        if self._inside_opened:
            return not line.lstrip().startswith(_CLOSERS)
        return after_blank

    def _ends_with(self, line: str) -> bool:
        """Whether ``line`` closes the block that the cursor's line opened."""
        return self._inside_opened and self._cursor.width(line) == self._base and not opens_block(line)
