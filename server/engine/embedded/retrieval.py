"""Finds places that stand in the same context as the cursor, in open text and in the corpus.

Retriever A looks for the longest equal context and lets the places vote on how the line goes on. Retriever B looks for
contexts of the same shape, rare identifiers abstracted, whose line is then copied with its identifiers substituted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.corpus.lexer import BOUNDARY, FIRST_NEWLINE, LAST_NEWLINE, is_newline
from indexer.corpus.rests import FACTOR

if TYPE_CHECKING:
    from indexer.corpus import Corpus
    from server.engine.embedded.cursor import Cursor
    from server.engine.embedded.document import Lexicon

ENOUGH = 3_000
"""Places of the corpus that are looked at one by one."""
_MOST_OF_A_WORD = 10_000
_COUNTED = 1_000
"""Places that vote."""
_DEEPEST = 48
_LINE_TOKENS = 48
_BLOCK = 8
_LONGEST_BLOCK = 12
"""Tokens that are compared, or hashed, at once."""
_BELOW = 8
_OPEN, _OTHER_OPEN, _SAME_DIRECTORY, _NEAR_DIRECTORY, _ELSEWHERE, _OTHER_LANGUAGE = 6.0, 4.0, 3.0, 1.5, 1.0, 0.3
_FACTORS = np.array([pow(FACTOR, power, 1 << 32) for power in range(_LONGEST_BLOCK)], dtype=np.uint32)


@dataclass(frozen=True, slots=True)
class Places:
    """Places whose context ends like the cursor's; arrays of one length.

    Attributes:
        source: int8, 0 in the open stream, 1 in the corpus.
        place: int64, index of the token after which the line goes on.
        depth: int32, tokens of context that agree.
        nearness: float32, weight of where the place is.
        key: uint32, hash of the rest of the line; 0 where nothing follows on it.
        first: int32, the next token.
        below: int32, tokens of the following lines that agree with those below the cursor.
        size: int32, tokens of the rest of the line.
    """

    source: npt.NDArray[np.int8]
    place: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int32]
    nearness: npt.NDArray[np.float32]
    key: npt.NDArray[np.uint32]
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
        directory = path.rpartition("/")[0]
        above = directory.rpartition("/")[0]
        names, directory_of = corpus.directories
        by_directory = np.array([_directory_weight(name, directory, above) for name in names], dtype=np.float32)
        languages, language_of = corpus.languages
        by_language = np.array([1.0 if name == language else _OTHER_LANGUAGE for name in languages], dtype=np.float32)
        self.weights: npt.NDArray[np.float32] = by_directory[directory_of] * by_language[language_of]
        own = corpus.by_path.get(path)
        hidden = blobs | ({corpus.files[own].blob} if own is not None else set())
        for number in (corpus.by_path.get(name) for name in (path, *excluded)):
            if number is not None:
                self.weights[number] = 0.0
        for blob in hidden:
            self.weights[corpus.by_blob.get(blob, [])] = 0.0


def _directory_weight(name: str, directory: str, above: str) -> float:
    if name == directory:
        return _SAME_DIRECTORY
    return _NEAR_DIRECTORY if name == above or name.startswith(f"{above}/" if above else "/") else _ELSEWHERE


def exact_places(cursor: Cursor, corpus: Corpus, allowed: Allowed, lexicon: Lexicon) -> Places:
    """Retriever A: places whose last token before the cursor, and as many before it as possible, are equal."""
    context = cursor.context
    found: list[Places] = []
    open_places = _open_candidates(cursor, cursor.stream, int(context[-1]))
    if len(open_places):
        depths = _depths(cursor.stream, open_places, context, 1)
        near = _open_nearness(cursor, open_places)
        found.append(_continue(cursor, cursor.stream, (open_places, depths, near), lexicon))
    found.append(_from_corpus(cursor, corpus, allowed, lexicon))
    places = join(found)
    if not len(places):
        # Better a beginning that the line at the cursor itself suggests than nothing at all.
        mine = np.flatnonzero(cursor.stream[: cursor.at] == context[-1])
        depths = _depths(cursor.stream, mine, context, 1)
        places = _continue(cursor, cursor.stream, (mine, depths, _open_nearness(cursor, mine)), lexicon)
    return places


def _from_corpus(cursor: Cursor, corpus: Corpus, allowed: Allowed, lexicon: Lexicon) -> Places:
    context = cursor.context
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
            return _continue(cursor, corpus.tokens, (places, depths, near), lexicon)
    for span in reversed(corpus.spans(wanted, ENOUGH)):
        places = corpus.places(span, 2 * ENOUGH)
        near = allowed.weights[corpus.file_numbers(places)]
        kept = near > 0
        places, near = places[kept], near[kept]
        depths = _depths(corpus.tokens, places, context, span.depth)
        going_on = _continue(cursor, corpus.tokens, (places, depths, near), lexicon)
        if len(going_on) >= 3 or span.depth == 1:
            return going_on
    return join([])


def similar_places(cursor: Cursor, corpus: Corpus, allowed: Allowed, lexicon: Lexicon, most: int) -> Places:
    """Retriever B: the ``most`` places whose context has the same shape furthest back, equal words counting extra."""
    shapes, context = cursor.shape_context, cursor.context
    found: list[Places] = []
    open_places = _open_candidates(cursor, cursor.shapes, int(shapes[-1]))
    if len(open_places):
        depths = _depths(cursor.shapes, open_places, shapes, 1)
        near = _open_nearness(cursor, open_places)
        rows = _best(depths * near**0.5, 200)
        places, depths, near = open_places[rows], depths[rows], near[rows]
        near = near * _agreement(cursor.stream, places, context, depths)
        found.append(_continue(cursor, cursor.stream, (places, depths, near), lexicon, similar=True))
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
        found.append(_continue(cursor, corpus.tokens, (places, depths, near), lexicon, similar=True))
    places_found = join(found)
    return places_found.take(_best(similarity(places_found), most))


def similarity(places: Places) -> npt.NDArray[np.float32]:
    """Return how much a similar place is worth; float32[n]."""
    worth: npt.NDArray[np.float32] = places.depth * places.nearness**0.5 * (1.0 + 0.3 * places.below)
    return worth.astype(np.float32)


def votes(places: Places) -> npt.NDArray[np.float32]:
    """Return the weight of each place's vote; float32[n]."""
    weights: npt.NDArray[np.float32] = (places.depth + 0.1) ** 1.5 * places.nearness * (1.0 + places.below)
    return weights.astype(np.float32)


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
            np.empty(0, np.uint32),
            np.empty(0, np.int32),
            np.empty(0, np.int32),
            np.empty(0, np.int32),
        )
    return Places(*(np.concatenate([getattr(places, name) for places in found]) for name in Places.__slots__))


def _open_candidates(cursor: Cursor, stream: npt.NDArray[np.int32], last: int) -> npt.NDArray[np.int64]:
    """Return the places of a token, but those whose line is not finished: the cursor's own, and ends of stretches."""
    places = np.flatnonzero(stream[:-1] == last)
    places = places[(places < cursor.line_start) | (places > cursor.at)]
    places = places[stream[places + 1] != BOUNDARY]
    nearest: npt.NDArray[np.int64] = places[-2 * ENOUGH :]
    return nearest


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
    backwards = context[::-1][:_DEEPEST]
    alive = np.arange(len(places))
    where = places
    for begin in range(known, len(backwards), _BLOCK):
        wanted = backwards[begin : begin + _BLOCK]
        back = where[:, None] - np.arange(begin, begin + len(wanted))
        # A place before the first token wraps around to the end, where a boundary never equals a context's token.
        same = np.logical_and.accumulate((tokens[back] == wanted) & (back >= 0), axis=1).sum(axis=1)
        depths[alive] += same.astype(np.int32)
        whole = same == _BLOCK
        alive, where = alive[whole], where[whole]
        if not len(alive):
            break
    return depths


def _agreement(
    tokens: npt.NDArray[np.int32],
    places: npt.NDArray[np.int64],
    context: npt.NDArray[np.int32],
    depths: npt.NDArray[np.int32],
) -> npt.NDArray[np.float32]:
    """Return by how much equal words in contexts of one shape raise the weight; float32[n]."""
    wanted = context[::-1][:24]
    steps = np.arange(len(wanted))
    worth = 0.9**steps
    same = (tokens[np.maximum(places[:, None] - steps, 0)] == wanted) & (depths[:, None] > steps)
    agreement: npt.NDArray[np.float32] = ((0.25 + (same @ worth) / worth.sum()) ** 2).astype(np.float32)
    return agreement


def _best(scores: npt.NDArray[np.floating], most: int) -> npt.NDArray[np.int64]:
    if len(scores) <= most:
        return np.argsort(-scores, kind="stable")
    rows = np.argpartition(-scores, most)[:most]
    return rows[np.argsort(-scores[rows], kind="stable")]


def _continue(
    cursor: Cursor,
    tokens: npt.NDArray[np.int32],
    found: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]],
    lexicon: Lexicon,
    *,
    similar: bool = False,
) -> Places:
    """Keep the places (with depth and nearness) that go on as the cursor allows, and describe how each goes on."""
    places, depths, near = found
    last = len(tokens) - 1
    first = tokens[np.minimum(places + 1, last)]
    keep = (places < last) & _may_follow(cursor, first, lexicon, similar=similar)
    if not keep.all():
        places, depths, near, first = places[keep], depths[keep], near[keep], first[keep]
    if len(places) > _COUNTED:
        rows = _best((depths + 0.1) ** 1.5 * near, _COUNTED)
        places, depths, near, first = places[rows], depths[rows], near[rows], first[rows]
    if cursor.breaks_line:
        places = places + 1
        first = tokens[np.minimum(places + 1, last)]
    corpus = lexicon.corpus
    if tokens is corpus.tokens:
        key, size, source = corpus.rest_keys[places], corpus.rest_sizes[places].astype(np.int32), 1
    else:
        key, size = _hash(tokens, places)
        source = 0
    below = _agreement_below(cursor, tokens, places + size + 2)
    if cursor.breaks_line:
        key = np.where(size > 0, key ^ (tokens[places].astype(np.uint32) << np.uint32(24)), 0).astype(np.uint32)
    return Places(np.full(len(places), source, dtype=np.int8), places, depths, near, key, first, below, size)


def _may_follow(
    cursor: Cursor, first: npt.NDArray[np.int32], lexicon: Lexicon, *, similar: bool
) -> npt.NDArray[np.bool_]:
    """Whether each next token may follow: it completes what is half typed, or breaks the line where that is wanted."""
    if cursor.breaks_line:
        return _is_newline(first)
    if not cursor.partial:
        return np.ones(len(first), dtype=bool)
    if similar:
        return first > LAST_NEWLINE
    low, high = lexicon.corpus.vocabulary.prefix_range(cursor.partial)
    keep = (first >= low) & (first < high)
    for identity in np.unique(first[first >= lexicon.base]).tolist():
        if lexicon.text(identity).startswith(cursor.partial):
            keep |= first == identity
    return keep


def _hash(
    tokens: npt.NDArray[np.int32], places: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
    """Return the key and the size of the rest of each place's line, as a corpus has them ready."""
    key = np.zeros(len(places), dtype=np.uint32)
    size = np.zeros(len(places), dtype=np.int32)
    last = len(tokens) - 1
    alive, where = np.arange(len(places)), places + 1
    factors = _FACTORS
    scale = np.uint32(1)
    for _ in range(_LINE_TOKENS // _LONGEST_BLOCK):
        ahead = where[:, None] + np.arange(_LONGEST_BLOCK)
        token = tokens[np.minimum(ahead, last)]
        going = np.logical_and.accumulate((token > LAST_NEWLINE) & (ahead <= last), axis=1)
        count = going.sum(axis=1)
        key[alive] += scale * ((token + 1).astype(np.uint32) * factors * going).sum(axis=1, dtype=np.uint32)
        size[alive] += count.astype(np.int32)
        whole = count == _LONGEST_BLOCK
        alive, where = alive[whole], where[whole] + _LONGEST_BLOCK
        if not len(alive):
            break
        scale = np.uint32(int(scale) * int(factors[-1]) * FACTOR & 0xFFFFFFFF)
    return key, size


def _agreement_below(
    cursor: Cursor, tokens: npt.NDArray[np.int32], where: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """Return how many tokens from ``where`` on, the start of the next line, are those below the cursor; int32[n]."""
    below = np.zeros(len(where), dtype=np.int32)
    if cursor.rest.strip():
        return below
    last = len(tokens) - 1
    alive = np.arange(len(where))
    for depth, expected in enumerate(cursor.below_ids[:_BELOW].tolist()):
        token = tokens[np.minimum(where, last)]
        same = _is_newline(token) if is_newline(expected) else token == expected
        alive, where = alive[same], where[same] + 1
        if not len(alive):
            break
        below[alive] = depth + 1
    return below


def _is_newline(tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    return (tokens >= FIRST_NEWLINE) & (tokens <= LAST_NEWLINE)
