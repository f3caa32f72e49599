"""Whether what was taken of suggestions still stands in the document some time later.

The server has every change of an open document, so it can follow the place of what was taken, character by character,
without keeping a copy: only lines and columns are kept, and nothing once the document is closed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from server.completion import metrics
from server.completion.pieces import Edit, Piece, Place, Replacement, after, pieces_of, stands_at
from server.completion.records import SuggestionRecord

LOOKS = {"30s": 30.0, "10min": 600.0}
"""When it is looked at, in seconds after it was taken, by the name of it in metrics."""
MAX_WATCHED = 128
"""How many texts of one session are followed at once; what is taken beyond is not."""
_MAX_OFFERED = 32

Lines = Callable[[], Sequence[str]]
"""Returns the lines of a document as they are now."""


@dataclass(slots=True)
class _Offered:
    """A suggestion that may be taken: where its text would stand, and what was taken before it stood there."""

    document: str
    place: Place
    lines: Lines
    waiting: list[tuple[SuggestionRecord, int, int]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Watched:
    """What was taken of a suggestion."""

    document: str
    labels: tuple[str, ...]
    characters: int
    pieces: list[Piece]
    looks: list[asyncio.TimerHandle] = field(default_factory=list)


class Retention:
    """Follows what is taken of suggestions in the documents of one session.

    Args:
        looks: When to look, as ``LOOKS``.
    """

    def __init__(self, looks: dict[str, float] | None = None) -> None:
        self._looks = LOOKS if looks is None else looks
        self._offered: OrderedDict[str, _Offered] = OrderedDict()
        self._watched: set[_Watched] = set()

    def offered(self, identifier: str, document: str, place: Place, lines: Lines) -> None:
        """A suggestion was asked for.

        Args:
            identifier: The suggestion's.
            document: Names the document.
            place: Where its text, with its lead, would stand.
            lines: The document.
        """
        self._offered[identifier] = _Offered(document, place, lines)
        while len(self._offered) > _MAX_OFFERED:
            self._give_up(self._offered.popitem(last=False)[1])

    def taken(self, record: SuggestionRecord, begin: int, end: int) -> None:
        """The characters from ``begin`` to ``end`` of a suggestion were taken; editors may say so before they edit."""
        offered = self._offered.get(record.id)
        if offered is None:
            metrics.UNWATCHED.labels("unplaced").inc()
        else:
            offered.waiting.append((record, begin, end))
            self._begin(offered)

    def follows(self, document: str) -> bool:
        """Whether it wants to know of changes of a document."""
        return document in self._documents()

    def replaced(self, document: str, replacement: Replacement) -> None:
        """A document was changed; its lines are those after the change."""
        edit = Edit(replacement)
        for watched in self._watched:
            if watched.document == document:
                watched.pieces = edit.pieces(watched.pieces)
        for offered in self._offered.values():
            if offered.document == document:
                offered.place = edit.place(offered.place)
                self._begin(offered)

    def closed(self, document: str) -> None:
        """A document was closed: what becomes of it is not seen any more, and does not count."""
        for identifier in [one for one, offered in self._offered.items() if offered.document == document]:
            self._give_up(self._offered.pop(identifier))
        for watched in [one for one in self._watched if one.document == document]:
            self._end(watched)
            metrics.UNWATCHED.labels("closed").inc()

    def close(self) -> None:
        """The session ends. Idempotent."""
        for document in self._documents():
            self.closed(document)

    def _documents(self) -> set[str]:
        return {one.document for one in self._watched} | {one.document for one in self._offered.values()}

    def _begin(self, offered: _Offered) -> None:
        """Begin to watch what was taken and has come to stand in the document."""
        lines = offered.lines() if offered.waiting else ()
        for taken in list(offered.waiting):
            record, begin, end = taken
            at = after(offered.place, record.lead + record.text[:begin])
            if stands_at(at, record.text[begin:end], lines):
                offered.waiting.remove(taken)
                self._watch(offered.document, record, pieces_of(at, record.text[begin:end]))

    def _watch(self, document: str, record: SuggestionRecord, pieces: list[Piece]) -> None:
        if not pieces:
            return
        if len(self._watched) >= MAX_WATCHED:
            metrics.UNWATCHED.labels("crowded").inc()
            return
        watched = _Watched(document, record.labels, sum(piece.length for piece in pieces), pieces)
        self._watched.add(watched)
        loop = asyncio.get_running_loop()
        last = max(self._looks, key=lambda name: self._looks[name])
        for name, seconds in self._looks.items():
            watched.looks.append(loop.call_later(seconds, self._look, watched, name, name == last))

    def _look(self, watched: _Watched, name: str, last: bool) -> None:
        metrics.WATCHED_CHARACTERS.labels(*watched.labels, name).inc(watched.characters)
        metrics.RETAINED_CHARACTERS.labels(*watched.labels, name).inc(sum(piece.length for piece in watched.pieces))
        if last:
            self._end(watched)

    def _end(self, watched: _Watched) -> None:
        self._watched.discard(watched)
        for look in watched.looks:
            look.cancel()

    @staticmethod
    def _give_up(offered: _Offered) -> None:
        if offered.waiting:
            metrics.UNWATCHED.labels("unplaced").inc(len(offered.waiting))
