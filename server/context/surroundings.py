"""What stands around the cursor: names with their nearness, the words to search for."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.tokens import identifiers
from indexer.types import ParsedFile
from server.context.receivers import enclosing_symbols
from server.syntax import NameUse, UseShape, bound_names, lex, lex_lines, name_uses, parameters

LINES_ABOVE = 40
LINES_BELOW = 8
"""How far from the cursor names are looked at."""
_FADE_ABOVE = 0.94
_FADE_BELOW = 0.85
_SIGNATURE_NEARNESS = 0.7
_HEADER_NEARNESS = 0.45
_QUERY_ABOVE = 12
_QUERY_BELOW = 3
_DOUBLED = 3
_MAX_LINE = 400
"""Longer lines are data, not code that says what comes next."""


@dataclass(frozen=True, slots=True)
class NearName:
    """A name used near the cursor. ``nearness`` is 1.0 on the cursor's line and fades with the distance."""

    use: NameUse
    nearness: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The neighbourhood of a cursor.

    Attributes:
        line: The cursor's line, 1-based.
        names: Names used nearby that are neither local variables nor being typed, nearest first.
        partial: What stands of the name at the cursor; empty when none is being typed.
        query: The lines around the cursor as a search query, the last three twice, without what is being typed.
        words: Identifiers of those lines.
    """

    line: int
    names: tuple[NearName, ...]
    partial: str
    query: str
    words: frozenset[str]


def look_around(prefix: str, suffix: str, language: str, parsed: ParsedFile) -> Surroundings:
    """Collect what stands around the cursor between ``prefix`` and ``suffix``."""
    above = prefix.split("\n")
    below = suffix.split("\n")
    cursor = len(above)
    lines = [line if len(line) <= _MAX_LINE else "" for line in (*above[:-1], above[-1] + below[0], *below[1:])]
    tokens = lex_lines(lines, max(0, cursor - LINES_ABOVE), min(len(lines), cursor + LINES_BELOW), language)
    partial = _partial(above[-1])
    around = enclosing_symbols(parsed, cursor)
    local = set(bound_names(tokens))
    for symbol in around:
        local |= {parameter.name for parameter in parameters(symbol.signature, symbol.name, language)}
    own = {symbol.name for symbol in parsed.symbols}
    nearest: dict[tuple[str, str], NearName] = {}

    def note(use: NameUse, nearness: float) -> None:
        if use.name == partial or (use.name in own and not use.qualifier) or use.shape is UseShape.DEFINITION:
            return
        if use.name in local and not use.shape.is_member:
            return
        if use.shape.is_member and use.qualifier in {"self", "this"} and use.name in own:
            return
        key = (use.name, use.qualifier)
        if key not in nearest or nearest[key].nearness < nearness:
            nearest[key] = NearName(use, nearness)

    for use in name_uses(tokens):
        distance = cursor - use.line
        note(use, _FADE_ABOVE**distance if distance >= 0 else 0.8 * _FADE_BELOW**-distance)
    for depth, symbol in enumerate(reversed(around)):
        weight = _SIGNATURE_NEARNESS if depth == 0 else _HEADER_NEARNESS
        for use in name_uses(lex(symbol.signature, language)):
            note(use, weight)
    # Without the half word at the cursor the query, and with it what is found, changes once a word and not once a key.
    above[-1] = above[-1].removesuffix(partial)
    query_above = [line[:_MAX_LINE] for line in above[-_QUERY_ABOVE:]]
    query_below = [line[:_MAX_LINE] for line in below[1 : 1 + _QUERY_BELOW]]
    text = "\n".join((*query_above, *query_below))
    return Surroundings(
        line=cursor,
        names=tuple(sorted(nearest.values(), key=lambda near: (-near.nearness, near.use.name))),
        partial=partial,
        query=text + "\n" + "\n".join(query_above[-_DOUBLED:]),
        words=frozenset(identifiers(text)),
    )


def _partial(line: str) -> str:
    end = len(line)
    start = end
    while start and (line[start - 1].isalnum() or line[start - 1] in "_$"):
        start -= 1
    word = line[start:end]
    return word if word and not word[0].isdigit() else ""
