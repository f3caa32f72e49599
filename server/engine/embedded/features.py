"""What the ranker looks at: numbers that describe one candidate among the others of its cursor."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from server.engine.embedded.fit import imbalance

if TYPE_CHECKING:
    from server.engine.embedded.candidates import Candidate, Pool
    from server.engine.embedded.cursor import Cursor

_WORD = re.compile(r"[^\W\d]\w*")
_FAR = 1 << 20
_OPENING, _CLOSING, _MARKS = frozenset("([{"), frozenset(")]}"), frozenset(".,:;=")

NAMES: tuple[str, ...] = (
    "vote_share", "vote_weight", "vote_count", "depth", "depth_lead", "deepest_share", "below", "has_below",
    "similarity", "similar_share", "similar_depth", "similar_count", "both", "replaced", "replaced_in_part",
    "conflicts", "left_unknown", "in_open", "nearness", "distance", "length", "words", "known", "recent",
    "nothing_share", "vote_lead", "vote_behind", "first_share", "on_new_line", "half_typed", "comment", "string",
    "closes", "opens", "fitted", "repeats_above", "voted", "carried", "entropy", "flat", "line_typed", "breaks_line",
    "deep_and_agreed", "open_and_deep", "short", "agreed_below", "import",
    "word_done", "mended", "files", "sure_and_deep", "agreed_by_files",
    "closes_above", "stays_open", "starts_word", "starts_closing", "starts_opening", "starts_mark", "glued",
    "ends_opening", "ends_comma", "ends_statement", "balanced_line",
)  # fmt: skip


def describe(cursor: Cursor, pool: Pool) -> npt.NDArray[np.float32]:
    """Return one row for each candidate; float32[candidates, len(NAMES)]."""
    candidates = pool.candidates
    shares = sorted((candidate.vote_share for candidate in candidates), reverse=True)
    similar = max((candidate.similarity for candidate in candidates), default=0.0) or 1.0
    entropy = -sum(share * math.log(share) for share in shares if share > 0)
    firsts = [_first(candidate.text) for candidate in candidates]
    by_first: dict[str, float] = {}
    for first, candidate in zip(firsts, candidates, strict=True):
        by_first[first] = by_first.get(first, 0.0) + candidate.vote_share + candidate.similar_share
    all_first = sum(by_first.values()) or 1.0
    above = _lines_above(cursor)
    statement = cursor.statement
    importing = float(bool(re.match(r"\s*(?:import|from|#include|using|use|require|package)\b", cursor.line)))
    rows = [
        _row(
            candidate,
            cursor,
            pool,
            best=shares[0] if shares else 0.0,
            second=shares[1] if len(shares) > 1 else 0.0,
            similar=similar,
            entropy=entropy,
            first_share=by_first[first] / all_first,
            above=above,
            importing=importing,
            statement=statement,
        )
        for first, candidate in zip(firsts, candidates, strict=True)
    ]
    return np.array(rows, dtype=np.float32).reshape(len(candidates), len(NAMES))


def _row(
    candidate: Candidate,
    cursor: Cursor,
    pool: Pool,
    *,
    best: float,
    second: float,
    similar: float,
    entropy: float,
    first_share: float,
    above: list[str],
    importing: float,
    statement: str,
) -> list[float]:
    words = _WORD.findall(candidate.text)
    count = len(words) or 1
    known = sum(pool.knows(word) for word in words) / count if words else 1.0
    recent = sum(pool.knows_recent(word) for word in words) / count if words else 1.0
    unknown = sum(not pool.knows(word) for word in candidate.left) / (len(candidate.left) or 1)
    closed, opened = imbalance(candidate.text)
    rival = second if candidate.vote_share == best else best
    length = len(candidate.text)
    line = (cursor.line + candidate.text).strip()
    voted, carried = float(candidate.vote_count > 0), float(candidate.similar_count > 0)
    depth = math.log1p(candidate.depth)
    has_below = float(len(cursor.below_ids) > 0)
    return [
        candidate.vote_share,
        math.log1p(candidate.vote_weight),
        math.log1p(candidate.vote_count),
        depth,
        (candidate.depth / pool.deepest) if pool.deepest else 0.0,
        candidate.best_depth_share,
        math.log1p(candidate.below),
        has_below,
        candidate.similarity / similar,
        candidate.similar_share,
        math.log1p(candidate.similar_depth),
        math.log1p(candidate.similar_count),
        voted * carried,
        math.log1p(candidate.replaced),
        math.log1p(candidate.replaced_in_part),
        math.log1p(candidate.conflicts),
        unknown,
        float(candidate.in_open),
        math.log1p(candidate.nearness),
        math.log1p(min(candidate.distance, _FAR)),
        math.log1p(length),
        math.log1p(len(words)),
        known,
        recent,
        pool.nothing_share,
        max(0.0, candidate.vote_share - rival),
        max(0.0, rival - candidate.vote_share),
        first_share,
        float(cursor.on_new_line and not cursor.partial),
        math.log1p(len(cursor.partial)),
        float(cursor.in_comment),
        float(cursor.in_string),
        float(min(closed, 3)),
        float(min(opened, 3)),
        float(candidate.fitted),
        float(line in above),
        voted,
        carried,
        entropy,
        float(cursor.flat),
        math.log1p(len(cursor.line.strip())) if not cursor.flat else 0.0,
        float(cursor.breaks_line),
        depth * candidate.vote_share,
        depth * float(candidate.in_open),
        float(length <= 3),
        math.log1p(candidate.below) * candidate.vote_share,
        importing,
        float(candidate.word_done),
        float(candidate.mended),
        math.log1p(candidate.files),
        float(candidate.best_depth_share > 0.9 and candidate.depth >= 12),
        float(candidate.best_depth_share > 0.9 and candidate.files >= 2),
        *_edges(candidate.text, cursor, statement),
    ]


def _edges(text: str, cursor: Cursor, statement: str) -> list[float]:
    """Describe how the text joins what is there, and whether brackets come out even."""
    closed_before, _ = imbalance(statement)
    closed, opened = imbalance(statement + text)
    bare = text.strip()
    first, last = bare[:1], bare[-1:]
    glued = not text[:1].isspace() and not cursor.spaced and not cursor.partial and not cursor.on_new_line
    return [
        float(min(closed - closed_before, 3)),
        float(min(opened, 3)),
        float(first.isalnum() or first == "_"),
        float(first in _CLOSING),
        float(first in _OPENING),
        float(first in _MARKS),
        float(glued),
        float(last in _OPENING or last == ":"),
        float(last == ","),
        float(last in _CLOSING or last == ";"),
        float(closed == closed_before and not opened),
    ]


def _first(text: str) -> str:
    found = re.match(r"\s*(\w+|\S)", text)
    return found.group(1) if found else ""


def _lines_above(cursor: Cursor) -> list[str]:
    if cursor.flat:
        return []
    text = cursor.segments[0][1].text
    end = len(text) - len(cursor.line.strip())
    return [line.strip() for line in text[max(0, end - 600) : end].split("\n")[-4:]]
