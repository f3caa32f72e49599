"""Keeps finished suggestions, so that typing along one, or going back, is answered without an engine.

A text is kept with hashes of what stood around the cursor it was made for. It serves every later cursor that differs
only by some of the text itself; any other change of the surroundings makes it unfit.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from server.completion.continuation import Start, are_closers, plain, rest_of
from server.completion.records import Making
from server.completion.usage import Usage
from server.types import CompletionRequest

MAX_PER_DOCUMENT = 16
MAX_DOCUMENTS = 64
LIFETIME_SECONDS = 300.0
_WINDOW = 4_000


@dataclass(frozen=True, slots=True)
class Kept:
    r"""A finished text and where it belongs.

    Attributes:
        said: The whole text, with ``\n`` as the line end.
        making: How it was made.
        usage: What it cost, and whether anybody saw it.
        until: When it is too old, in the cache's time.
        prefix_length: Characters before the cursor it was made for.
        suffix_length: Characters after it.
        around: Hashes of the nearest characters before and after.
    """

    said: str
    making: Making
    usage: Usage
    until: float
    prefix_length: int
    suffix_length: int
    around: tuple[int, int]

    def rest(self, request: CompletionRequest) -> str | None:
        """Return what is left to say at a cursor; ``None`` when the text does not belong there."""
        # A line end may be two characters where the text has one.
        if not 0 <= len(request.prefix) - self.prefix_length <= 2 * len(self.said):
            return None
        closers = len(request.suffix) - self.suffix_length
        if closers < 0 or not are_closers(request.suffix[:closers]):
            return None
        rest = rest_of(self.said, plain(request.prefix[self.prefix_length :]), ended=True)
        if not rest or self.around != _around(request, self.prefix_length, closers):
            return None
        return rest


class TypeThroughCache:
    """Finished texts of the documents worked on lately. Bounded in texts, documents and time.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._documents: OrderedDict[str, list[Kept]] = OrderedDict()

    def keep(self, document: str, start: Start, said: str, making: Making, usage: Usage) -> None:
        """Keep a finished text of ``document``, made for the cursor at ``start``."""
        self._expire()
        place = CompletionRequest("", "", start.prefix, start.suffix)
        around = _around(place, len(start.prefix), 0)
        until = self._clock() + LIFETIME_SECONDS
        texts = self._documents.setdefault(document, [])
        texts.append(Kept(said, making, usage, until, len(start.prefix), len(start.suffix), around))
        if len(texts) > MAX_PER_DOCUMENT:
            _drop(texts, 1)
        self._documents.move_to_end(document)
        while len(self._documents) > MAX_DOCUMENTS:
            self.forget(next(iter(self._documents)))

    def find(self, document: str, request: CompletionRequest) -> Iterator[tuple[Kept, str]]:
        """Yield the texts that the user types along at a cursor, the latest first, with what is left of each."""
        self._expire()
        for kept in reversed(self._documents.get(document, [])):
            rest = kept.rest(request)
            if rest is not None:
                yield kept, rest

    def forget(self, document: str) -> None:
        """Drop the texts of a document."""
        _drop(self._documents.pop(document, []))

    def forget_all_but(self, document: str) -> None:
        """Drop the texts of every other document."""
        for other in [key for key in self._documents if key != document]:
            self.forget(other)

    def clear(self) -> None:
        """Drop everything."""
        self.forget_all_but("")
        self.forget("")

    def _expire(self) -> None:
        now = self._clock()
        for document in list(self._documents):
            texts = self._documents[document]
            _drop(texts, sum(kept.until <= now for kept in texts))
            if not texts:
                del self._documents[document]


def _drop(texts: list[Kept], count: int | None = None) -> None:
    """Drop the oldest texts, and count those that nobody saw."""
    for kept in texts[:count]:
        kept.usage.waste("unread")
    del texts[:count]


def _around(request: CompletionRequest, prefix_length: int, closers: int) -> tuple[int, int]:
    before = request.prefix[max(0, prefix_length - _WINDOW) : prefix_length]
    return hash(before), hash(request.suffix[closers : closers + _WINDOW])
