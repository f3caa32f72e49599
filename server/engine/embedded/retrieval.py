"""Finds places that stand in the same context as the cursor, in open text and in the corpus.

Retriever A looks for the longest equal context and lets the places vote on how the line goes on. Retriever B looks for
contexts of the same shape, rare identifiers abstracted, whose line is then copied with its identifiers substituted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.corpus.lexer import BOUNDARY, FIRST_NEWLINE, LAST_NEWLINE

if TYPE_CHECKING:
    from indexer.corpus import Corpus
    from server.engine.embedded.cursor import Cursor
    from server.engine.embedded.document import Lexicon

ENOUGH = 3_000
"""Places of the corpus that are looked at one by one."""
_MOST_OF_A_WORD = 20_000
_DEEPEST = 48
_LINE_TOKENS = 40
_BELOW = 8
_OPEN, _OTHER_OPEN, _SAME_DIRECTORY, _NEAR_DIRECTORY, _ELSEWHERE, _OTHER_LANGUAGE = 6.0, 4.0, 3.0, 1.5, 1.0, 0.3


@dataclass(frozen=True, slots=True)
class Places:
    """Places whose context ends like the cursor's; arrays of one length.

    Attributes:
        source: int8, 0 in the open stream, 1 in the corpus.
        place: int64, index of the token after which the line goes on.
        depth: int32, tokens of context that agree.
        nearness: float32, weight of where the place is.
        key: uint64, hash of the rest of the line; 0 where nothing follows on it.
        first: int32, the next token.
        below: int32, tokens of the following lines that agree with those below the cursor.
        size: int32, tokens of the rest of the line.
    """

    source: npt.NDArray[np.int8]
    place: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int32]
    nearness: npt.NDArray[np.float32]
    key: npt.NDArray[np.uint64]
    first: npt.NDArray[np.int32]
    below: npt.NDArray[np.int32]
    size: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.place)

    def take(self, rows: npt.NDArray[np.int64]) -> Places:
        """Return some of the places."""
        return Places(*(getattr(self, name)[rows] for name in Places.__slots__))


class Allowed:
    """Which files of a corpus may be used for a request, and how near each is to the cursor's file.

    Args:
        corpus: The corpus.
        path: The cursor's file; neither it nor a byte-identical copy is evidence.
        language: Its language.
        excluded: Further paths that open documents shadow.
        blobs: Further contents that must not be used.
    """

    def __init__(
        self, corpus: Corpus, path: str, language: str, excluded: frozenset[str], blobs: frozenset[str] = frozenset()
    ) -> None:
        self.corpus = corpus
        own = corpus.by_path.get(path)
        hidden = blobs | ({corpus.files[own].blob} if own is not None and corpus.files[own].blob else set())
        directory = path.rpartition("/")[0]
        above = directory.rpartition("/")[0]
        extension = path.rpartition(".")[2]
        weights = np.empty(len(corpus.files), dtype=np.float32)
        for number, (file, place) in enumerate(zip(corpus.files, corpus.directories, strict=True)):
            if file.path == path or file.path in excluded or file.blob in hidden:
                weights[number] = 0.0
                continue
            weight = _ELSEWHERE
            if place == directory:
                weight = _SAME_DIRECTORY
            elif place.startswith(above + "/") if above else place == "":
                weight = _NEAR_DIRECTORY
            if file.language != language and file.path.rpartition(".")[2] != extension:
                weight *= _OTHER_LANGUAGE
            weights[number] = weight
        self.weights = weights


def exact_places(cursor: Cursor, corpus: Corpus, allowed: Allowed, lexicon: Lexicon) -> Places:
    """Retriever A: places whose last token before the cursor, and as many before it as possible, are equal."""
    context = cursor.context
    found: list[Places] = []
    open_places = _open_candidates(cursor.stream, int(context[-1]))
    if len(open_places):
        depths = _depths(cursor.stream, open_places, context, 1)
        found.append(
            _continue(cursor, cursor.stream, 0, open_places, depths, _open_nearness(cursor, open_places), lexicon)
        )
    wanted = context.tolist()
    if cursor.partial:
        low, high = corpus.vocabulary.prefix_range(cursor.partial)
        words = corpus.words_between(low, high)
        if words.size <= _MOST_OF_A_WORD:
            # Few words start like this: all places before one of them, however little of the context is shared.
            places = corpus.places(words, _MOST_OF_A_WORD) - 1
            places = places[places >= 0]
            near = allowed.weights[corpus.file_numbers(places)]
            places, near = places[near > 0], near[near > 0]
            depths = _depths(corpus.tokens, places, context, 0)
            rows = _best(depths * near**0.5, ENOUGH)
            found.append(_continue(cursor, corpus.tokens, 1, places[rows], depths[rows], near[rows], lexicon))
            return join(found)
    for span in reversed(corpus.spans(wanted, ENOUGH)):
        places = corpus.places(span, 2 * ENOUGH)
        near = allowed.weights[corpus.file_numbers(places)]
        kept = near > 0
        places, near = places[kept], near[kept]
        depths = _depths(corpus.tokens, places, context, span.depth)
        going_on = _continue(cursor, corpus.tokens, 1, places, depths, near, lexicon)
        if len(going_on) >= 3 or span.depth == 1:
            found.append(going_on)
            break
    return join(found)


def similar_places(cursor: Cursor, corpus: Corpus, allowed: Allowed, lexicon: Lexicon, most: int) -> Places:
    """Retriever B: the ``most`` places whose context has the same shape furthest back, equal words counting extra."""
    shapes, context = cursor.shape_context, cursor.context
    found: list[Places] = []
    open_places = _open_candidates(cursor.shapes, int(shapes[-1]))
    if len(open_places):
        depths = _depths(cursor.shapes, open_places, shapes, 1)
        near = _open_nearness(cursor, open_places)
        rows = _best(depths * near**0.5, 200)
        places, depths, near = open_places[rows], depths[rows], near[rows]
        near = near * _agreement(cursor.stream, places, context, depths)
        found.append(_continue(cursor, cursor.stream, 0, places, depths, near, lexicon, similar=True))
    spans = corpus.shape_spans(shapes.tolist(), ENOUGH)
    if spans:
        places = corpus.shape_places(spans[-1], 2 * ENOUGH)
        near = allowed.weights[corpus.file_numbers(places)]
        kept = near > 0
        places, near = places[kept], near[kept]
        depths = _depths(corpus.shapes, places, shapes, spans[-1].depth)
        rows = _best(depths * near**0.5, 200)
        places, depths, near = places[rows], depths[rows], near[rows]
        near = near * _agreement(corpus.tokens, places, context, depths)
        found.append(_continue(cursor, corpus.tokens, 1, places, depths, near, lexicon, similar=True))
    places_found = join(found)
    return places_found.take(_best(similarity(places_found), most))


def similarity(places: Places) -> npt.NDArray[np.float32]:
    """Return how much a similar place is worth; float32[n]."""
    return (places.depth**1.0 * places.nearness**0.5 * (1.0 + 0.3 * places.below)).astype(np.float32)


def votes(places: Places) -> npt.NDArray[np.float32]:
    """Return the weight of each place's vote; float32[n]."""
    return ((places.depth + 0.1) ** 1.5 * places.nearness * (1.0 + places.below)).astype(np.float32)


def join(found: list[Places]) -> Places:
    """Put several sets of places together."""
    if len(found) == 1:
        return found[0]
    if not found:
        return Places(
            np.empty(0, np.int8),
            np.empty(0, np.int64),
            np.empty(0, np.int32),
            np.empty(0, np.float32),
            np.empty(0, np.uint64),
            np.empty(0, np.int32),
            np.empty(0, np.int32),
            np.empty(0, np.int32),
        )
    return Places(*(np.concatenate([getattr(places, name) for places in found]) for name in Places.__slots__))


def _open_candidates(stream: npt.NDArray[np.int32], last: int) -> npt.NDArray[np.int64]:
    """Return the places of a token; one before a boundary has no continuation, the cursor itself among them."""
    places = np.flatnonzero(stream[:-1] == last)
    places = places[stream[places + 1] != BOUNDARY]
    return places[-2 * ENOUGH :]


def _open_nearness(cursor: Cursor, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    others = cursor.segments[2][0] if len(cursor.segments) > 2 else len(cursor.stream)
    return np.where(places < others, _OPEN, _OTHER_OPEN).astype(np.float32)


def _depths(
    tokens: npt.NDArray[np.int32] | npt.NDArray[np.uint16],
    places: npt.NDArray[np.int64],
    context: npt.NDArray[np.int32],
    known: int,
) -> npt.NDArray[np.int32]:
    depths = np.full(len(places), known, dtype=np.int32)
    alive = np.arange(len(places))
    where = places
    for depth in range(known, min(_DEEPEST, len(context))):
        back = where - depth
        same = tokens[np.maximum(back, 0)] == context[-1 - depth]
        same &= back >= 0
        alive, where = alive[same], where[same]
        if not len(alive):
            break
        depths[alive] = depth + 1
    return depths


def _agreement(
    tokens: npt.NDArray[np.int32],
    places: npt.NDArray[np.int64],
    context: npt.NDArray[np.int32],
    depths: npt.NDArray[np.int32],
) -> npt.NDArray[np.float32]:
    """Return by how much equal words in contexts of one shape raise the weight; float32[n], from 1."""
    worth = np.zeros(len(places), dtype=np.float32)
    total = 0.0
    for depth in range(min(24, len(context))):
        weight = 0.9**depth
        total += weight
        same = (depths > depth) & (tokens[np.maximum(places - depth, 0)] == context[-1 - depth])
        worth += weight * same
    return (0.25 + worth / total) ** 2


def _best(scores: npt.NDArray[np.floating], most: int) -> npt.NDArray[np.int64]:
    if len(scores) <= most:
        return np.argsort(-scores, kind="stable")
    rows = np.argpartition(-scores, most)[:most]
    return rows[np.argsort(-scores[rows], kind="stable")]


def _continue(
    cursor: Cursor,
    tokens: npt.NDArray[np.int32],
    source: int,
    places: npt.NDArray[np.int64],
    depths: npt.NDArray[np.int32],
    near: npt.NDArray[np.float32],
    lexicon: Lexicon,
    *,
    similar: bool = False,
) -> Places:
    """Keep the places that go on as the cursor allows, and hash how each line goes on."""
    last = len(tokens) - 1
    inside = places < last
    places, depths, near = places[inside], depths[inside], near[inside]
    first = tokens[places + 1]
    keep = np.ones(len(places), dtype=bool)
    if cursor.partial and not similar:
        low, high = lexicon.corpus.vocabulary.prefix_range(cursor.partial)
        keep = (first >= low) & (first < high)
        for identity in np.unique(first[first >= lexicon.base]).tolist():
            if lexicon.text(identity).startswith(cursor.partial):
                keep |= first == identity
    elif cursor.partial:
        keep = first >= FIRST_NEWLINE
        keep &= ~_is_newline(first)
    elif cursor.breaks_line:
        keep = _is_newline(first)
    if not keep.all():
        places, depths, near, first = places[keep], depths[keep], near[keep], first[keep]
    if cursor.breaks_line:
        places = places + 1
        first = tokens[np.minimum(places + 1, last)]
    key = np.zeros(len(places), dtype=np.uint64)
    size = np.zeros(len(places), dtype=np.int32)
    if cursor.breaks_line:
        key += tokens[places].astype(np.uint64)
    alive, where = np.arange(len(places)), places + 1
    for _ in range(_LINE_TOKENS):
        token = tokens[np.minimum(where, last)]
        going = ~((token <= LAST_NEWLINE) | (where > last))
        alive, where, token = alive[going], where[going], token[going]
        if not len(alive):
            break
        key[alive] = key[alive] * np.uint64(1_000_003) + token.astype(np.uint64) + np.uint64(1)
        size[alive] += 1
        where = where + 1
    key[size == 0] = 0
    below = np.zeros(len(places), dtype=np.int32)
    if len(cursor.below_ids) and len(places) and not cursor.rest.strip():
        alive = np.arange(len(places))
        where = places + 1 + size + 1
        for depth in range(min(_BELOW, len(cursor.below_ids))):
            expected = int(cursor.below_ids[depth])
            token = tokens[np.minimum(where, last)]
            same = _is_newline(token) if FIRST_NEWLINE <= expected <= LAST_NEWLINE else token == expected
            alive, where = alive[same], where[same] + 1
            if not len(alive):
                break
            below[alive] = depth + 1
    return Places(np.full(len(places), source, dtype=np.int8), places, depths, near, key, first, below, size)


def _is_newline(tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    return (tokens >= FIRST_NEWLINE) & (tokens <= LAST_NEWLINE)
