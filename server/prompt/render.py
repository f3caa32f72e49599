"""Writes the prompt of a completion: fitted to a budget first, rendered second, never cut afterwards.

The order serves the model server's prefix cache. Other files come first, in the order given. What is cut off the text
before the cursor is cut at the roundest place near the limit, so that the prompt's beginning moves rarely while it is
typed on. What is cut off the text after the cursor depends on that text alone, so that a family that wants it first
keeps it unchanged with every key.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, takewhile

from attrs import frozen

from server.prompt.formats import Field, FimFormat, Marker
from server.prompt.media import Item, Medium, TextMedium
from server.types import CompletionRequest, Prompt, Snippet

_SLACK = 8
"""The part of the room for the text before the cursor that may stay empty, so that its beginning stays."""
CHARACTERS_PER_TOKEN = 6
"""Of a document, so many characters for each token that there is room for are looked at, and no more."""
_WINDOW_STEP = 4096


@frozen
class Budget:
    """What a prompt may take, in tokens.

    Attributes:
        context: Prompt and answer together.
        snippets: Most for other files.
        suffix: Most for the text after the cursor where it stands behind the text before it: every key shifts it, so
            the model reads it anew. Families that want it first keep it, and may have a quarter of the room.
        answer: Least that is left for the answer, so that one which may be longer than the last moves nothing.
    """

    context: int = 8192
    snippets: int = 2048
    suffix: int = 256
    answer: int = 0


def render(request: CompletionRequest, fim: FimFormat, budget: Budget, medium: Medium | None = None) -> Prompt:
    """Write the prompt for ``request``.

    Text from files cannot act as a marker. The prompt and ``request.max_tokens`` stay within ``budget.context`` and
    within what the family was trained for. One-line requests stop at the end of the line.

    Args:
        request: What is known at the cursor.
        fim: The family's layout.
        budget: What the prompt may take.
        medium: What to write in; text by default.

    Raises:
        NotCached: The medium was given no time to encode as much as is new.
    """
    medium = medium or TextMedium(fim)
    answer = max(request.max_tokens, budget.answer)
    tokens = min(budget.context, fim.context_tokens) - answer - medium.overhead
    room = max(0, tokens * medium.units_per_token - medium.cost(_fixed(fim)))
    suffix_room = room // 4 if fim.suffix_first else min(budget.suffix * medium.units_per_token, room // 4)
    suffix = _head(medium, request.suffix, suffix_room)
    room -= medium.cost(suffix)
    beginning, header = _headers(request, fim, medium)
    if medium.cost(beginning) + medium.cost(header) > room // 4:
        beginning, header = [], []
    room -= medium.cost(beginning) + medium.cost(header)
    before = _Before.of(medium, request.prefix, room)
    # The code at the cursor matters most: snippets get half of what is left, or what the text before it leaves. That
    # is counted in coarse steps, so that typing rarely pushes one out.
    step = max(1, room // _SLACK)
    left = room - -(-before.cost // step) * step
    blocks = _fitting(request, fim, medium, min(budget.snippets * medium.units_per_token, max(room // 2, left)))
    prefix = before.tail(medium, room - sum(map(medium.cost, blocks)))
    opening = [*beginning, *(item for block in blocks for item in block), *header]
    return medium.prompt(
        _assemble(fim, opening, prefix, suffix),
        stop=() if request.multiline else ("\n",),
        dropped_snippets=len(request.snippets) - len(blocks),
    )


def _fixed(fim: FimFormat) -> list[Item]:
    """Return what the template itself puts into every prompt."""
    return [part for part in fim.parts(fim.template) if not isinstance(part, Field)]


def _assemble(fim: FimFormat, opening: list[Item], prefix: list[str], suffix: list[str]) -> list[Item]:
    values: dict[str, list[Item]] = {"prefix": [*prefix], "suffix": [*suffix]}
    items: list[Item] = []
    if fim.files_in_prefix:
        values["prefix"][:0] = opening
    else:
        items += opening
    literal = ""
    for part in fim.parts(fim.template):
        if isinstance(part, Field):
            items += _glued(literal, values[part.name])
            literal = ""
        elif isinstance(part, str):
            literal += part
        else:
            items += _glued(literal, [part])
            literal = ""
    return items + _glued(literal, [])


def _glued(literal: str, items: list[Item]) -> list[Item]:
    """Put a piece of the template before others; the space before a word is one token with it."""
    if literal and items and isinstance(items[0], str) and not literal.endswith("\n"):
        return [literal + items[0], *items[1:]]
    return [literal, *items] if literal else items


def _fitting(request: CompletionRequest, fim: FimFormat, medium: Medium, room: int) -> list[list[Item]]:
    """Write the best snippets that fit, in the order they came in."""
    if not fim.file:
        return []
    blocks = [
        _filled(fim, fim.file, medium, {"path": _place(item, request), "text": item.text.rstrip("\n")})
        for item in request.snippets
    ]
    costs = [medium.cost(block) for block in blocks]
    kept: list[int] = []
    for number in sorted(range(len(blocks)), key=lambda index: -request.snippets[index].score):
        if costs[number] <= room:
            kept.append(number)
            room -= costs[number]
    return [blocks[number] for number in sorted(kept)]


def _place(snippet: Snippet, request: CompletionRequest) -> str:
    if snippet.repository and snippet.repository != request.repository:
        return f"{snippet.repository}/{snippet.path}"
    return snippet.path


def _headers(request: CompletionRequest, fim: FimFormat, medium: Medium) -> tuple[list[Item], list[Item]]:
    """Return what names the repository, at the very beginning, and the current file, right before its text."""
    if not fim.file:
        return [], []
    beginning = _filled(fim, fim.repository, medium, {"repository": request.repository or "workspace"})
    return beginning, _filled(fim, fim.current, medium, {"path": request.path})


def _filled(fim: FimFormat, pattern: str, medium: Medium, values: Mapping[str, str]) -> list[Item]:
    """Put values into a pattern; what stands between two markers is cut into pieces as one text."""
    items: list[Item] = []
    text = ""
    for part in fim.parts(pattern):
        if isinstance(part, Marker):
            items += [*medium.pieces(medium.clean(text)), part]
            text = ""
        else:
            text += part if isinstance(part, str) else values[part.name]
    return [*items, *medium.pieces(medium.clean(text))]


@frozen
class _Before:
    """The text before the cursor, or as much of its end as there may be room for.

    Attributes:
        starts: Where each piece begins, in characters from the start of the document.
        costs: What each piece costs.
    """

    pieces: list[str]
    starts: list[int]
    costs: list[int]

    @classmethod
    def of(cls, medium: Medium, text: str, room: int) -> _Before:
        # A longer text is looked at from a multiple of a step on, so that an endless line is cut where it was before.
        beyond = len(text) - room // medium.units_per_token * CHARACTERS_PER_TOKEN
        start = max(0, -(-beyond // _WINDOW_STEP) * _WINDOW_STEP)
        if start and (line := text.find("\n", start) + 1):
            start = line
        if start >= len(text):
            start = max(0, beyond)
        pieces = medium.pieces(medium.clean(text[start:]))
        starts = list(accumulate(map(len, pieces), initial=start))[:-1]
        return cls(pieces, starts, medium.costs(pieces))

    @property
    def cost(self) -> int:
        return sum(self.costs)

    def tail(self, medium: Medium, room: int) -> list[str]:
        """Return the end of the text that fits into ``room``, from the roundest place near the limit on."""
        first = len(self.pieces) - sum(
            1 for _ in takewhile(lambda cost: cost <= room, accumulate(reversed(self.costs)))
        )
        if first == len(self.pieces):
            # Not even the last piece fits: its end does.
            return _shortened(medium, self.pieces[-1], room, keep_end=True) if self.pieces else []
        if first == 0 and self.starts[0] == 0:
            return self.pieces
        slack = accumulate(self.costs[first:], initial=0)
        reach = sum(1 for _ in takewhile(lambda cost: cost <= room // _SLACK, slack))
        candidates = range(max(first, 1), min(first + reach, len(self.pieces)))
        return self.pieces[max(candidates, key=self._roundness, default=first) :]

    def _roundness(self, index: int) -> int:
        """Say how round the numbers are that lie between the start of this piece and of the one before."""
        return (self.starts[index] ^ self.starts[index - 1]).bit_length()


def _head(medium: Medium, text: str, room: int) -> list[str]:
    """Return the beginning of ``text`` that fits into ``room``, up to the end of a piece if one fits."""
    window = room // medium.units_per_token * CHARACTERS_PER_TOKEN
    pieces = medium.pieces(medium.clean(text[:window]))
    fitting = sum(1 for _ in takewhile(lambda cost: cost <= room, accumulate(medium.costs(pieces))))
    if not fitting and pieces:
        return _shortened(medium, pieces[0], room, keep_end=False)
    return pieces[:fitting]


def _shortened(medium: Medium, piece: str, room: int, *, keep_end: bool) -> list[str]:
    """Return the end or the beginning of a piece that is too large, at least half as much of it as fits."""
    while piece and sum(medium.costs([piece])) > room:
        half = len(piece) // 2
        piece = piece[-half:] if keep_end and half else piece[:half]
    return [piece] if piece else []
