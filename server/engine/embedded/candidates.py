"""Turns places into candidate lines: votes are counted, similar lines are carried over, and each is fitted in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from indexer.corpus.lexer import BOUNDARY, LAST_NEWLINE
from server.engine.embedded.fit import balanced, fit_rest, repeats
from server.engine.embedded.retrieval import (
    Places,
    exact_places,
    similar_places,
    similarity,
    votes,
)
from server.engine.embedded.substitution import Substitution

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from indexer.corpus import Corpus
    from server.engine.embedded.cursor import Cursor
    from server.engine.embedded.document import Lexicon
    from server.engine.embedded.retrieval import Allowed

_VOTED, _CARRIED = 8, 12
_LINES_ALIGNED = 6
_LONGEST = 240
_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Candidate:
    """One way in which the line may go on, with the evidence for it. Shares are 0..1."""

    text: str
    source: int = 0
    """0 for the open stream, 1 for the corpus."""
    place: int = -1
    levels: int = 0
    """By how many levels the indentation changes when the candidate starts with a line break."""
    vote_share: float = 0.0
    vote_weight: float = 0.0
    vote_count: int = 0
    files: int = 0
    """Distinct files among the votes."""
    depth: int = 0
    best_depth_share: float = 0.0
    below: int = 0
    similarity: float = 0.0
    similar_share: float = 0.0
    similar_depth: int = 0
    similar_count: int = 0
    replaced: int = 0
    replaced_in_part: int = 0
    conflicts: int = 0
    left: list[str] = field(default_factory=list)
    in_open: bool = False
    nearness: float = 0.0
    distance: int = 1 << 30
    """Tokens between the cursor and the nearest place in the open stream."""
    fitted: bool = False
    mended: bool = False
    """Its brackets were closed, or superfluous ones dropped."""
    word_done: bool = False
    """It follows a word that is taken for whole rather than half typed."""


@dataclass(frozen=True, slots=True)
class _Line:
    """Tokens and abstracted tokens of one line, without its newline."""

    tokens: list[int]
    shapes: list[int]


@dataclass(frozen=True, slots=True)
class Pool:
    """All candidates of one cursor and what was seen in gathering them."""

    candidates: list[Candidate]
    nothing_share: float
    """Share of the votes for the line ending right here."""
    deepest: int
    similar_deepest: int
    places: int
    known_words: frozenset[int]
    """Ids of the words in a wide neighbourhood of the cursor."""
    recent_words: frozenset[int]
    """Ids of those close to it."""
    lexicon: Lexicon

    def knows(self, word: str) -> bool:
        """Whether ``word`` stands somewhere around the cursor."""
        return self.lexicon.get(word, -1) in self.known_words

    def knows_recent(self, word: str) -> bool:
        """Whether ``word`` stands close to the cursor."""
        return self.lexicon.get(word, -1) in self.recent_words


def gather(cursors: Sequence[Cursor], corpus: Corpus, allowed: Allowed, lexicon: Lexicon) -> Pool:
    """Return the candidates for the rest of the line, unranked, at most about 25.

    ``cursors`` are readings of one place: first with a half-typed word, then with that word taken for whole.
    """
    kept: dict[str, Candidate] = {}
    nothing = 0.0
    deepest = similar_deepest = places = 0
    for reading, cursor in enumerate(cursors):
        if cursor.at <= 0:
            continue
        exact = exact_places(cursor, corpus, allowed, lexicon)
        found: dict[str, Candidate] = {}
        nothing = _vote(exact, cursor, corpus, found)
        most = 3 * _CARRIED if cursor.partial else _CARRIED
        similar = similar_places(cursor, corpus, allowed, lexicon, most)
        _carry_over(similar, cursor, corpus, lexicon, found)
        for candidate in found.values():
            candidate.word_done = reading > 0
        _fit(found, cursor, kept)
        deepest = max(deepest, int(exact.depth.max(initial=0)))
        similar_deepest = max(similar_deepest, int(similar.depth.max(initial=0)))
        places += len(exact)
    cursor = cursors[0]
    _fit({text: Candidate(text) for text in _closings(cursors[-1])}, cursors[-1], kept)
    return Pool(
        list(kept.values()),
        nothing,
        deepest,
        similar_deepest,
        places,
        _words(cursor, 4_000),
        _words(cursor, 400),
        lexicon,
    )


def _closings(cursor: Cursor) -> list[str]:
    """Return the ways to end the line that its open brackets suggest, in the manner of the file."""
    if cursor.on_new_line or cursor.in_comment or cursor.at <= 0:
        return []
    closing = balanced(cursor.statement, "")
    spaced = cursor.flat and not cursor.spaced
    gap = " " if spaced else ""
    if closing:
        closing = closing.strip() if cursor.spaced else gap + closing.lstrip()
    head = cursor.segments[0][1].text
    endings: tuple[str, ...] = (";", " {") if head.count(";") * 3 > head.count("(") else (":", "")
    if cursor.flat:
        endings = tuple(f" {ending.strip()}".rstrip() for ending in endings)
    return [closing + ending for ending in endings if closing]


def _fit(found: dict[str, Candidate], cursor: Cursor, kept: dict[str, Candidate]) -> None:
    """Fit each candidate in where the cursor is, and drop what does not fit or is there already."""
    statement = cursor.statement
    mended = []
    for candidate in found.values():
        text = balanced(statement, candidate.text)
        if text != candidate.text and text.strip():
            mended.append(replace(candidate, text=text, mended=True))
    for candidate in [*found.values(), *mended]:
        text = fit_rest(candidate.text, cursor.rest)
        candidate.fitted = text != candidate.text
        candidate.text = text
        spread = " ".join(text.split())
        if not spread or (
            not cursor.rest.strip()
            and (repeats(_whole_line(cursor, text), cursor.below) or repeats(text, cursor.below))
        ):
            continue
        key = f"{candidate.levels} {spread}"
        twin = kept.get(key)
        if twin is None:
            kept[key] = candidate
        elif twin.mended != candidate.mended:
            # What was written somewhere outweighs what was mended to be the same.
            kept[key] = twin if candidate.mended else candidate
        elif twin.word_done != candidate.word_done:
            _prefer(twin, candidate)
        else:
            _merge(twin, candidate)


def _whole_line(cursor: Cursor, text: str) -> str:
    return text if cursor.on_new_line and not cursor.partial else cursor.line + text


def _vote(places: Places, cursor: Cursor, corpus: Corpus, found: dict[str, Candidate]) -> float:
    """Count the votes; return the share of those for nothing more on this line."""
    if not len(places):
        return 0.0
    weights = votes(places)
    total = float(weights.sum())
    keys, groups = np.unique(places.key, return_inverse=True)
    sums = np.bincount(groups, weights=weights)
    counts = np.bincount(groups)
    deepest = places.depth.max()
    at_depth = places.depth >= max(1, int(0.8 * deepest))
    deep_total = float(weights[at_depth].sum())
    numbers = _file_numbers(places, corpus)
    nothing = 0.0
    taken = 0
    for group in np.argsort(-sums, kind="stable").tolist():
        share = float(sums[group]) / total
        if keys[group] == 0 or (cursor.breaks_line and not places.size[groups == group].any()):
            nothing += share
            continue
        if taken >= _VOTED:
            continue
        rows = np.flatnonzero(groups == group)
        best = int(rows[np.argmax(weights[rows])])
        text, levels = _text_at(places, best, cursor, corpus)
        if not text.strip():
            continue
        taken += 1
        in_open = rows[places.source[rows] == 0]
        candidate = Candidate(
            text,
            source=int(places.source[best]),
            place=int(places.place[best]),
            levels=levels,
            vote_share=share,
            vote_weight=float(sums[group]),
            vote_count=int(counts[group]),
            files=len(set(numbers[rows].tolist())),
            depth=int(places.depth[rows].max()),
            best_depth_share=float(weights[rows][at_depth[rows]].sum()) / deep_total if deep_total else 0.0,
            below=int(places.below[rows].max()),
            in_open=len(in_open) > 0,
            nearness=float(places.nearness[rows].max()),
            distance=int(np.abs(places.place[in_open] - cursor.at).min()) if len(in_open) else 1 << 30,
        )
        _add(found, candidate)
    return nothing


def _file_numbers(places: Places, corpus: Corpus) -> npt.NDArray[np.int64]:
    """Return a number for the file of each place, -1 for all open text; int64[n]."""
    numbers = np.full(len(places), -1, dtype=np.int64)
    stored = places.source == 1
    numbers[stored] = corpus.file_numbers(places.place[stored])
    return numbers


def _carry_over(places: Places, cursor: Cursor, corpus: Corpus, lexicon: Lexicon, found: dict[str, Candidate]) -> None:
    worth = similarity(places)
    total = float(worth.sum()) or 1.0
    context = cursor.context
    shapes = cursor.shape_context
    above: dict[int, list[_Line]] = {}
    made = 0
    for row in range(len(places)):
        if int(places.size[row]) == 0 or made >= _CARRIED:
            continue
        tokens = cursor.stream if places.source[row] == 0 else corpus.tokens
        place = int(places.place[row])
        origin = place - 1 if cursor.breaks_line else place
        depth = int(places.depth[row])
        there = tokens[max(0, origin + 1 - depth) : origin + 1][::-1]
        here = context[::-1][: len(there)]
        substitution = Substitution()
        known = shapes[::-1][: len(there)]
        for theirs, ours, shape in zip(there.tolist(), here.tolist(), known.tolist(), strict=True):
            if theirs != ours or 16 <= shape < 20:
                substitution.learn(lexicon.text(theirs), lexicon.text(ours))
        ours = above.get(len(there))
        if ours is None:
            ours = above[len(there)] = _lines_back(cursor.stream, cursor.shapes, cursor.at - len(there))
        if len(ours) > 1:
            forms = cursor.shapes if places.source[row] == 0 else corpus.shapes
            _learn_above(substitution, _lines_back(tokens, forms, origin - len(there)), ours, lexicon)
        line, levels = _text_at(places, row, cursor, corpus, whole=True)
        line, replaced, in_part, left = substitution.apply(line)
        if cursor.partial:
            bare = line.lstrip()
            if not bare.startswith(cursor.partial):
                continue
            line = bare[len(cursor.partial) :]
        line = line.lstrip() if cursor.spaced or cursor.on_new_line else line
        if not line.strip() or len(line) > _LONGEST:
            continue
        made += 1
        in_open = int(places.source[row]) == 0
        _add(
            found,
            Candidate(
                line.rstrip(),
                source=int(places.source[row]),
                place=place,
                levels=levels,
                below=int(places.below[row]),
                similarity=float(worth[row]),
                similar_share=float(worth[row]) / total,
                similar_depth=depth,
                similar_count=1,
                replaced=replaced,
                replaced_in_part=in_part,
                conflicts=substitution.conflicts,
                left=left,
                in_open=in_open,
                nearness=float(places.nearness[row]),
                distance=abs(place - cursor.at) if in_open else 1 << 30,
            ),
        )


def _learn_above(substitution: Substitution, theirs: Sequence[_Line], ours: Sequence[_Line], lexicon: Lexicon) -> None:
    """Align further lines up, past those that differ in shape, and learn from those that do not."""
    # The first line of each is the one in which the shapes parted.
    for line, own in zip(theirs[1:], ours[1:], strict=False):
        if line.shapes == own.shapes:
            for old, new in zip(reversed(line.tokens), reversed(own.tokens), strict=True):
                if old != new:
                    substitution.learn(lexicon.text(old), lexicon.text(new))


def _lines_back(
    tokens: npt.NDArray[np.int32], shapes: npt.NDArray[np.int32] | npt.NDArray[np.uint16], end: int
) -> list[_Line]:
    """Return the last lines up to the token at ``end``, nearest first."""
    first = max(0, end - 80)
    window, forms = tokens[first : end + 1].tolist(), shapes[first : end + 1].tolist()
    lines: list[_Line] = []
    stop = len(window)
    for place in range(len(window) - 1, -1, -1):
        if window[place] <= LAST_NEWLINE:
            lines.append(_Line(window[place + 1 : stop], forms[place + 1 : stop]))
            stop = place
            if window[place] == BOUNDARY or len(lines) == _LINES_ALIGNED:
                break
    return lines


def _text_at(places: Places, row: int, cursor: Cursor, corpus: Corpus, *, whole: bool = False) -> tuple[str, int]:
    """Return the rest of the line after a place, without what is typed already, and its change of indentation."""
    place = int(places.place[row])
    in_open = places.source[row] == 0
    text = cursor.line_after(place) if in_open else corpus.line_after(place)
    levels = 0
    if cursor.breaks_line:
        levels = int((cursor.stream if in_open else corpus.tokens)[place]) - 8
    if whole:
        return text, levels
    if cursor.partial:
        return text.lstrip()[len(cursor.partial) :].rstrip()[:_LONGEST], levels
    text = text.rstrip()[:_LONGEST]
    return (text.lstrip() if cursor.spaced or cursor.on_new_line else text), levels


def _add(found: dict[str, Candidate], candidate: Candidate) -> None:
    key = f"{candidate.levels} " + " ".join(candidate.text.split())
    known = found.get(key)
    if known is None:
        found[key] = candidate
    else:
        _merge(known, candidate)


def _merge(one: Candidate, other: Candidate) -> None:
    """Add the evidence of ``other`` to ``one``."""
    one.vote_share += other.vote_share
    one.vote_weight += other.vote_weight
    one.vote_count += other.vote_count
    one.files = max(one.files, other.files)
    one.best_depth_share += other.best_depth_share
    one.depth = max(one.depth, other.depth)
    one.below = max(one.below, other.below)
    if other.similarity > one.similarity:
        one.similarity, one.similar_depth = other.similarity, other.similar_depth
        one.replaced, one.replaced_in_part = other.replaced, other.replaced_in_part
        one.conflicts, one.left = other.conflicts, other.left
    one.similar_share += other.similar_share
    one.similar_count += other.similar_count
    one.in_open |= other.in_open
    one.nearness = max(one.nearness, other.nearness)
    one.distance = min(one.distance, other.distance)


def _prefer(one: Candidate, other: Candidate) -> None:
    """Add the evidence of another reading of the same cursor, in which the same votes may be counted again."""
    shares = max(one.vote_share, other.vote_share), max(one.similar_share, other.similar_share)
    weight, count = max(one.vote_weight, other.vote_weight), max(one.vote_count, other.vote_count)
    deep, similar_count = max(one.best_depth_share, other.best_depth_share), max(one.similar_count, other.similar_count)
    _merge(one, other)
    one.vote_share, one.similar_share = shares
    one.vote_weight, one.vote_count = weight, count
    one.best_depth_share, one.similar_count = deep, similar_count


def _words(cursor: Cursor, around: int) -> frozenset[int]:
    return frozenset(cursor.stream[max(0, cursor.at - around) : cursor.at + around // 2].tolist())
