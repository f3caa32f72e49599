"""One lexer for all languages: words, single punctuation marks, and newlines that carry the change of indentation.

There is no notion of strings or comments: their words are words. Punctuation is never joined, so that a half-typed
operator (``=`` of ``=>``) is a whole token already. Blank lines are dropped.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUNDARY = 0
"""The token that stands before each file."""
NEWLINE = 8
"""The newline token of an unchanged indentation; ``NEWLINE + d`` changes it by ``d`` levels, -6 ≤ d ≤ 6."""
FIRST_NEWLINE, LAST_NEWLINE = NEWLINE - 6, NEWLINE + 6
FIRST_WORD = 16
"""Ids of words and punctuation start here."""

_PIECE = re.compile(r"[^\S\n]*+\n\s*|[^\S\n]+|\w+|[^\w\s]")
_TAB_WIDTH = 4

_WORD, _SPACE, _LINE_BREAK = 0, 1, 2


class WordFinder(Protocol):
    """Something that knows the ids of words, such as a corpus' vocabulary."""

    size: int

    def find(self, word: str) -> int:
        """Return the id of ``word``, or -1."""


class Interner(dict[str, int]):
    """Gives every distinct piece of text a number: the vocabulary's for words it has, appended ones for all others.

    Args:
        vocabulary: Where words are looked up first; without one every piece gets an appended id.
    """

    def __init__(self, vocabulary: WordFinder | None = None) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self.base = vocabulary.size if vocabulary is not None else FIRST_WORD
        self.texts: list[str] = []
        """Pieces with appended ids; the id of ``texts[i]`` is ``base + i``."""
        self._kinds = array("b")
        self._widths: list[int] = []

    def __missing__(self, piece: str) -> int:
        kind = _WORD
        if piece.isspace():
            kind = _LINE_BREAK if "\n" in piece else _SPACE
        elif self._vocabulary is not None:
            found = self._vocabulary.find(piece)
            if found >= 0:
                self[piece] = found
                return found
        identity = self.base + len(self.texts)
        self.texts.append(piece)
        self._kinds.append(kind)
        self._widths.append(indentation_width(piece.rpartition("\n")[2]) if kind == _LINE_BREAK else 0)
        self[piece] = identity
        return identity

    def kinds(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int8]:
        """Return 0 for a word or mark, 1 for space within a line, 2 for a line break; int8[n]."""
        kinds = np.zeros(len(ids), dtype=np.int8)
        appended = np.flatnonzero(ids >= self.base)
        if len(appended):
            # A view: it is gone before the next piece is appended, and a copy for each file would be quadratic.
            kinds[appended] = np.frombuffer(self._kinds, dtype=np.int8)[ids[appended] - self.base]
        return kinds

    def width(self, identity: int) -> int:
        """Return the indentation in columns that a line break leads to."""
        return self._widths[identity - self.base]


@dataclass(frozen=True, slots=True)
class Lexed:
    """The tokens of a text without its spaces.

    ``ids`` int32[n]; ``starts`` and ``ends`` int32[n] are character offsets. ``widths`` int32[m] are the
    indentations in columns that the line breaks lead to, ``breaks`` int32[m] their places among the tokens;
    newline tokens hold a plain ``NEWLINE`` until :func:`mark_indentation` is applied.
    """

    ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    breaks: npt.NDArray[np.int32]
    widths: npt.NDArray[np.int32]


def lex(text: str, interner: Interner) -> Lexed:
    """Cut ``text`` into tokens; about 15 MB a second."""
    pieces = _PIECE.findall(text)
    ids = np.fromiter(map(interner.__getitem__, pieces), dtype=np.int32, count=len(pieces))
    ends = np.cumsum(np.fromiter(map(len, pieces), dtype=np.int32, count=len(pieces)), dtype=np.int32)
    starts = np.empty_like(ends)
    if len(ends):
        starts[0] = 0
        starts[1:] = ends[:-1]
    kinds = interner.kinds(ids)
    broken = kinds == _LINE_BREAK
    widths = np.fromiter(map(interner.width, ids[broken].tolist()), dtype=np.int32)
    kept = kinds != _SPACE
    ids[broken] = NEWLINE
    breaks = np.flatnonzero(broken[kept]).astype(np.int32)
    return Lexed(ids[kept], starts[kept], ends[kept], breaks, widths)


def mark_indentation(widths: Sequence[int], stack: list[int]) -> list[int]:
    """Return the newline token for each line of the given indentation (columns); ``stack`` is carried on."""
    tokens: list[int] = []
    for width in widths:
        before = len(stack)
        while len(stack) > 1 and stack[-1] > width:
            stack.pop()
        if stack[-1] < width:
            stack.append(width)
        tokens.append(NEWLINE + max(-6, min(6, len(stack) - before)))
    return tokens


def indentation_width(blank: str) -> int:
    """Return the width of leading white space in columns, a tab counting four."""
    return len(blank) + (_TAB_WIDTH - 1) * blank.count("\t")


def is_newline(token: int) -> bool:
    """Whether ``token`` ends a line."""
    return FIRST_NEWLINE <= token <= LAST_NEWLINE
