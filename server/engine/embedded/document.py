"""The text around the cursor as tokens, lexed again only where it changed since the last key stroke."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.corpus.lexer import NEWLINE, Interner, Lexed, indentation_width, lex, mark_indentation
from indexer.corpus.shape import FIRST_KEPT, shape_of

if TYPE_CHECKING:
    from indexer.corpus import Corpus

_APPENDED_MOST = 200_000
_MARKED_LINE_END = "<EOL>"
_SPACED_STATEMENT_END = " ; "
"""Between tokens that are spaced apart; people write it in hardly any line of code."""
_FLAT_FROM = 200
"""Characters from which a text on a single line is read as a run of statements, not as one line, whatever it says."""


class Lexicon(Interner):
    """Ids for the words of open text: the corpus' own, appended ones for the rest, with their abstract ids."""

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(corpus.vocabulary)
        self.corpus = corpus
        self._shapes: list[int] = []
        self._words: dict[int, str] = {}
        self._next_shape = max(FIRST_KEPT, int(corpus.shape_of_word.max(initial=0)) + 1)

    @property
    def full(self) -> bool:
        """Whether so much was appended that it is time to start afresh."""
        return len(self.texts) > _APPENDED_MOST

    def text(self, identity: int) -> str:
        """Return the word with that id."""
        if identity >= self.base:
            return self.texts[identity - self.base]
        word = self._words.get(identity)
        if word is None:
            word = self._words[identity] = self.corpus.vocabulary.word(identity)
        return word

    def shapes(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return the abstract ids of tokens; int32[n]."""
        for text in self.texts[len(self._shapes) :]:
            shape = shape_of(text)
            if shape == 0:
                shape, self._next_shape = self._next_shape, self._next_shape + 1
            self._shapes.append(shape)
        known = self.corpus.shape_of_word
        shapes = known[np.minimum(ids, len(known) - 1)].astype(np.int32)
        appended = np.flatnonzero(ids >= self.base)
        if len(appended):
            shapes[appended] = np.array(self._shapes, dtype=np.int32)[ids[appended] - self.base]
        return shapes


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of open text: tokens (newlines marked with their indentation), where they start and end in ``text``."""

    text: str
    ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    stack: tuple[int, ...]
    """Indentations, in columns, that are open at its end."""


class SegmentCache:
    """Keeps the tokens of the stretches seen last, and mends them when their text changes.

    Args:
        lexicon: Gives words their ids; all segments of one cache share it.
        most: How many stretches are kept.
    """

    def __init__(self, lexicon: Lexicon, most: int = 64) -> None:
        self.lexicon = lexicon
        self._most = most
        self._kept: OrderedDict[tuple[str, str], tuple[str, Lexed, Segment]] = OrderedDict()

    def segment(self, key: tuple[str, str], text: str) -> Segment:
        """Return the tokens of ``text``; ``key`` names the stretch (path and role) whose earlier tokens may help."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] == text:
            self._kept.move_to_end(key)
            return kept[2]
        lexed = lex(text, self.lexicon) if kept is None else _mend(kept[0], kept[1], text, self.lexicon)
        segment = _segment(text, lexed)
        self._kept[key] = (text, lexed, segment)
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return segment


def is_flat(prefix: str, suffix: str) -> bool:
    """Whether a text has no line breaks of its own: it is long and minified, or tokens with spaces between them."""
    if "\n" in prefix:
        return False
    # Who types the first line of a file may well put spaces around a semicolon before more text.
    spaced = not suffix and _SPACED_STATEMENT_END in prefix
    return len(prefix) >= _FLAT_FROM or _MARKED_LINE_END in prefix or spaced


def flat_segment(text: str, lexicon: Lexicon) -> Segment:
    """Lex a text that is on one line, with a newline token wherever a statement or a marked line ends."""
    lexed = lex(text, lexicon)
    ids = lexed.ids
    if _MARKED_LINE_END in text:
        opening, name, closing = (lexicon[piece] for piece in ("<", "EOL", ">"))
        middle = np.flatnonzero(ids == name)
        middle = middle[(middle > 0) & (middle < len(ids) - 1)]
        middle = middle[(ids[middle - 1] == opening) & (ids[middle + 1] == closing)]
        replaced = ids.copy()
        replaced[middle - 1] = NEWLINE
        keep = np.ones(len(ids), dtype=bool)
        keep[middle] = keep[middle + 1] = False
        ends = lexed.ends.copy()
        ends[middle - 1] = lexed.ends[middle + 1]
        return Segment(text, replaced[keep], lexed.starts[keep], ends[keep], (0,))
    enders = np.flatnonzero(np.isin(ids, [lexicon[";"], lexicon["}"]]))
    ends = lexed.ends[enders]
    return Segment(
        text,
        np.insert(ids, enders + 1, NEWLINE),
        np.insert(lexed.starts, enders + 1, ends),
        np.insert(lexed.ends, enders + 1, ends),
        (0,),
    )


def newline_token(segment: Segment, indentation: str) -> int:
    """Return the newline token that leads from the end of ``segment`` to a line with that indentation."""
    return mark_indentation([indentation_width(indentation)], list(segment.stack))[0]


def _segment(text: str, lexed: Lexed) -> Segment:
    ids = lexed.ids.copy()
    stack = [0]
    if len(lexed.breaks):
        ids[lexed.breaks] = mark_indentation(lexed.widths.tolist(), stack)
    return Segment(text, ids, lexed.starts, lexed.ends, tuple(stack))


def _mend(old: str, lexed: Lexed, new: str, lexicon: Lexicon) -> Lexed:
    """Lex only the lines of ``new`` that differ from ``old``."""
    ahead = _common_prefix(old, new)
    behind = _common_suffix(old, new, min(len(old), len(new)) - ahead)
    break_starts = lexed.starts[lexed.breaks]
    first = int(np.searchsorted(break_starts, ahead)) - 1
    last = int(np.searchsorted(break_starts, len(old) - behind, side="right"))
    kept_before = int(lexed.breaks[first]) if first >= 0 else 0
    kept_breaks = max(first, 0)
    begin = int(lexed.starts[kept_before]) if first >= 0 else 0
    shift = len(new) - len(old)
    if last < len(lexed.breaks):
        kept_after = int(lexed.breaks[last])
        end = int(lexed.starts[kept_after]) + shift
    else:
        kept_after, end = len(lexed.ids), len(new)
    middle = lex(new[begin:end], lexicon)
    return Lexed(
        np.concatenate((lexed.ids[:kept_before], middle.ids, lexed.ids[kept_after:])),
        np.concatenate((lexed.starts[:kept_before], middle.starts + begin, lexed.starts[kept_after:] + shift)),
        np.concatenate((lexed.ends[:kept_before], middle.ends + begin, lexed.ends[kept_after:] + shift)),
        np.concatenate(
            (
                lexed.breaks[:kept_breaks],
                middle.breaks + kept_before,
                lexed.breaks[last:] - kept_after + kept_before + len(middle.ids),
            )
        ),
        np.concatenate((lexed.widths[:kept_breaks], middle.widths, lexed.widths[last:])),
    )


def _common_prefix(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_suffix(one: str, other: str, most: int) -> int:
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low
