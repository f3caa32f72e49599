"""Reads what was measured over time for pages and scripts, in a thread of its own.

A look at a month takes as long as many completions, and must not take the threads that these need.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, cast

from server.gateway.figures import Wanted
from server.gateway.responses import refuse
from server.history import History, Latency, Prices, Span, Split, Usage, latency, usage

_T = TypeVar("_T")
FRESH_SECONDS = 5.0
"""How long an answer stands: what is read changes once a minute."""
MAX_WAITING = 32


class Readings:
    """Answers one question after the other; those who ask the same share an answer.

    Args:
        history: Where it is kept.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hearth-readings")
        self._waiting = 0
        self._answers: dict[object, tuple[float, asyncio.Future[Any]]] = {}

    def close(self) -> None:
        """End the thread. Idempotent."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def latency(self, asked: Wanted) -> Latency:
        """Return how long things took.

        Raises:
            HistoryError: It cannot be read.
            web.HTTPError: Too many wait for an answer.
        """
        read = partial(latency, self._history, asked.work, asked.stage, asked.span, split=asked.split)
        return await self._shared(("latency", asked), read)

    async def usage(self, span: Span, split: Split) -> Usage:
        """Return how much was used; raises as :meth:`latency`."""
        return await self._shared(("usage", span, split), partial(usage, self._history, span, split))

    async def prices(self) -> Prices:
        """Return the prices that were set last; raises as :meth:`latency`."""
        return await self._shared("prices", self._history.prices)

    async def change_prices(self, change: Callable[[Prices], Prices]) -> Prices:
        """Replace the prices by what ``change`` makes of them, with nobody in between; raises as :meth:`latency`."""

        def replace() -> Prices:
            prices = change(self._history.prices())
            self._history.set_prices(prices)
            return prices

        try:
            return await self._begin(replace)
        finally:
            self._answers.clear()

    async def _shared(self, question: object, read: Callable[[], _T]) -> _T:
        now = time.monotonic()
        self._answers = {key: kept for key, kept in self._answers.items() if now - kept[0] < FRESH_SECONDS}
        _, answer = self._answers.get(question, (now, None))
        if answer is None:
            answer = self._begin(read)
            self._answers[question] = now, answer
            answer.add_done_callback(partial(self._forget_failure, question))
        # Whoever gives up waiting takes nothing from the others.
        return cast(_T, await asyncio.shield(answer))

    def _begin(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        if self._waiting >= MAX_WAITING:
            refuse(503, "busy", "Too many ask for figures at the same time.", "Try again in a moment.")
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        future.add_done_callback(self._end)
        return future

    def _end(self, _: asyncio.Future[Any]) -> None:
        self._waiting -= 1

    def _forget_failure(self, question: object, answer: asyncio.Future[Any]) -> None:
        failed = answer.cancelled() or answer.exception() is not None
        if failed and self._answers.get(question, (0.0, None))[1] is answer:
            del self._answers[question]
