"""Lets only those ``[n]`` of a streamed text through that have a citation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.explain.values import NumberedCitation
from server.types import Citation, Fact

_MARK = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_UNFINISHED_MARK = re.compile(r"\[[\d, ]{0,40}\Z")
_TICKS = re.compile(r"`+")
_FENCE_LENGTH = 3


def citations_of(facts: Sequence[Fact]) -> tuple[Citation, ...]:
    """The citations that ``[1]``, ``[2]``, … refer to."""
    return tuple(fact.citation for fact in facts if fact.citation is not None)


class CitationFilter:
    """Removes marks that refer to nothing while the text streams by, and remembers those that were used.

    Code spans and fenced code pass unchanged: ``items[3]`` there is no citation. A mark that is split between two
    deltas is held back until it is whole. Fenced code that is still open at the end is closed, so that nothing which is
    put below the text becomes code of it.
    """

    def __init__(self, citations: Sequence[Citation]) -> None:
        self._citations = citations
        self._held = ""
        self._at_line_start = True
        self._indent = 0
        self._fence = 0
        self._fence_indent = 0
        self._span = 0
        self._used: set[int] = set()

    @property
    def cited(self) -> tuple[NumberedCitation, ...]:
        """The citations used so far, by number."""
        return tuple(NumberedCitation(number, self._citations[number - 1]) for number in sorted(self._used))

    def feed(self, delta: str) -> str:
        """Take more text and return what can be shown now."""
        return self._advance(self._held + delta, final=False)

    def finish(self) -> str:
        """Return what was still held back, and the end of fenced code."""
        rest = self._advance(self._held, final=True)
        if self._fence:
            line_end = "" if self._at_line_start and not self._indent else "\n"
            rest += line_end + " " * self._fence_indent + "`" * self._fence
            self._fence = 0
        return rest

    def _advance(self, text: str, *, final: bool) -> str:
        shown: list[str] = []
        at = 0
        while at < len(text):
            character = text[at]
            piece = character
            if character == "`":
                ticks = _TICKS.match(text, at)
                piece = ticks.group() if ticks else character
                if at + len(piece) == len(text) and not final:
                    break
                self._see_ticks(len(piece))
            elif character in " [" and not self._fence and not self._span and not final and self._must_wait(text, at):
                break
            elif character == "[" and not self._fence and not self._span:
                mark = _MARK.match(text, at)
                if mark:
                    at = mark.end()
                    self._show_mark(mark.group(1), shown)
                    continue
            if character == "\n" and text.startswith("\n", at + 1):
                self._span = 0  # a code span ends with its paragraph
            self._at_line_start = character == "\n" or (self._at_line_start and character == " ")
            self._indent = self._indent + 1 if self._at_line_start and character == " " else 0
            shown.append(piece)
            at += len(piece)
        self._held = text[at:]
        return "".join(shown)

    def _see_ticks(self, length: int) -> None:
        if self._fence:
            if self._at_line_start and length >= self._fence:
                self._fence = 0
        elif self._at_line_start and length >= _FENCE_LENGTH and not self._span:
            self._fence, self._fence_indent = length, self._indent
        elif not self._span:
            self._span = length
        elif self._span == length:
            self._span = 0

    def _must_wait(self, text: str, at: int) -> bool:
        """Whether what begins at ``at`` may still become a mark, or blanks before one."""
        rest = text[at:].lstrip(" ")
        return not rest or _UNFINISHED_MARK.match(rest) is not None

    def _show_mark(self, numbers: str, shown: list[str]) -> None:
        valid = [number for number in map(int, numbers.split(",")) if 1 <= number <= len(self._citations)]
        self._used.update(valid)
        if valid:
            shown.append("".join(f"[{number}]" for number in valid))
            self._at_line_start = False
            return
        while shown and shown[-1] == " " and not self._at_line_start:
            shown.pop()
