"""Where text that was put into a document stands while the document is edited, without keeping the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.completion.continuation import plain

Place = tuple[int, int]
"""Line and column from 0, the column in Python's characters."""

_MAX_SEARCHED = 100_000
_MIN_FOUND = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters of one line, from ``start`` to before ``end``; line ends belong to no piece."""

    line: int
    start: int
    end: int

    @property
    def length(self) -> int:
        """How many characters they are."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Replacement:
    """A change of a document: what stood between two places, and what stands there now."""

    start: Place
    end: Place
    old: str
    new: str


def pieces_of(place: Place, text: str) -> list[Piece]:
    """Return the pieces that ``text`` takes when it stands at ``place``; empty lines take none."""
    line, column = place
    return [
        Piece(line + number, column if number == 0 else 0, (column if number == 0 else 0) + len(content))
        for number, content in enumerate(plain(text).split("\n"))
        if content
    ]


def after(place: Place, text: str) -> Place:
    """Return where the end of ``text`` is when it stands at ``place``."""
    content = plain(text)
    lines, last = content.count("\n"), len(content) - content.rfind("\n") - 1
    return (place[0] + lines, last) if lines else (place[0], place[1] + len(content))


def stands_at(place: Place, text: str, lines: Sequence[str]) -> bool:
    """Whether a document has ``text`` at ``place``, whatever its line ends are."""
    wanted = plain(text).split("\n")
    if place[0] + len(wanted) > len(lines):
        return False
    for number, content in enumerate(wanted):
        there = lines[place[0] + number].rstrip("\r\n")[place[1] if number == 0 else 0 :]
        if there != content if number + 1 < len(wanted) else not there.startswith(content):
            return False
    return True


class Edit:
    """A replacement as it moves what stands in the document.

    What both its texts begin and end with was not touched: editors often send more than what was changed.
    """

    def __init__(self, replacement: Replacement) -> None:
        old, new = plain(replacement.old), plain(replacement.new)
        same = _common_length(old, new)
        start = after(replacement.start, old[:same])
        old, new = old[same:], new[same:]
        same = _common_end(old, new)
        old, self._new = old[: len(old) - same], new[: len(new) - same]
        self.start, self._end, self._new_end = start, after(start, old), after(start, self._new)
        # Who formats a file replaces much that stays as it was.
        searched = "\n" in self._new and len(self._new) <= _MAX_SEARCHED
        self._old_lines = old.split("\n") if searched else []

    def place(self, place: Place) -> Place:
        """Return where a place is afterwards; one inside of what was replaced is at its beginning."""
        if place <= self.start:
            return place
        return self._later(place) if place >= self._end else self.start

    def pieces(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Return what is left of some pieces, in their order."""
        left: list[Piece] = []
        searched = 0
        for piece in pieces:
            if (piece.line, piece.end) <= self.start:
                left.append(piece)
            elif (piece.line, piece.start) >= self._end:
                line, column = self._later((piece.line, piece.start))
                left.append(Piece(line, column, column + piece.length))
            else:
                before, inside, behind = self._cut(piece)
                found, searched = self._found_again(inside, searched)
                left += [part for part in (before, found, behind) if part is not None and part.length > 0]
        return left

    def _cut(self, piece: Piece) -> tuple[Piece | None, str, Piece | None]:
        """Return what stands before the replaced text, what was replaced of the piece, and what stands behind."""
        (first, from_column), (last, to_column) = self.start, self._end
        begin = max(piece.start, from_column) if piece.line == first else piece.start
        end = min(piece.end, to_column) if piece.line == last else piece.end
        behind = None
        if end < piece.end:
            line, column = self._later((piece.line, end))
            behind = Piece(line, column, column + piece.end - end)
        inside = ""
        if begin < end and self._old_lines:
            margin = from_column if piece.line == first else 0
            inside = self._old_lines[piece.line - first][begin - margin : end - margin]
        return Piece(piece.line, piece.start, begin), inside, behind

    def _found_again(self, text: str, searched: int) -> tuple[Piece | None, int]:
        """Look for what was replaced of a line among what took its place."""
        wanted = text.strip()
        at = self._new.find(wanted, searched) if len(wanted) >= _MIN_FOUND else -1
        if at < 0:
            return None, searched
        line, column = after(self.start, self._new[:at])
        return Piece(line, column, column + len(wanted)), at + len(wanted)

    def _later(self, place: Place) -> Place:
        line, column = place
        if line > self._end[0]:
            return line + self._new_end[0] - self._end[0], column
        return self._new_end[0], column - self._end[1] + self._new_end[1]


def _common_length(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(one: str, other: str) -> int:
    """Return how many characters both end with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.endswith(other[len(other) - middle : len(other) - low], 0, len(one) - low):
            low = middle
        else:
            high = middle - 1
    return low
