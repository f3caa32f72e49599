"""Writes down every minute what the metrics have grown by."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

from server.config import HistoryConfig
from server.errors import HistoryError
from server.history.measures import Amounts, collect
from server.history.store import HOUR, History

log = logging.getLogger(__name__)

_JUMP_SECONDS = 60.0
"""How far the clock may move by itself before nothing is deleted on its word for a while."""
_LAG_SECONDS = 1.0
"""At a full minute, what is written is what came in the minute before."""


@asynccontextmanager
async def recording(history: History, config: HistoryConfig) -> AsyncIterator[None]:
    """Write down what is measured for the length of a context, the last of it when leaving."""
    if not config.enabled:
        yield
        return
    # One thread: what is being written when the context is left is done before the rest is.
    thread = ThreadPoolExecutor(1, thread_name_prefix="hearth-history")
    write = partial(asyncio.get_running_loop().run_in_executor, thread, Recorder(history).write)
    work = asyncio.create_task(_write_every(config.interval_seconds, write), name="history")
    try:
        yield
    finally:
        work.cancel()
        await write()
        thread.shutdown()


class Recorder:
    """Writes what came since it last did; what cannot be written is written with the next.

    Args:
        history: Where to.
        measure: Returns what there is of everything since the process began.
        clock: Seconds since the epoch, which may jump.
        steady: Seconds since whenever, which do not.
    """

    def __init__(
        self,
        history: History,
        measure: Callable[[], Amounts] = collect,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history = history
        self._measure = measure
        self._clock = clock
        self._steady = steady
        self._written = Amounts()
        self._failing = False
        self._offset = clock() - steady()
        self._trusted_at = steady() + HOUR

    def write(self) -> None:
        """Write it down. Never raises for the file's sake: serving goes on, and the log says once what is wrong."""
        now = self._measure()
        try:
            self._history.add(self._clock() - _LAG_SECONDS, now.since(self._written))
            self._written = now
            if self._clock_is_trusted():
                self._trusted_at = self._steady() + HOUR
                self._history.forget_old(self._clock())
            if self._failing:
                log.info("the history of metrics is written again")
            self._failing = False
        except HistoryError as error:
            if not self._failing:
                log.error("the history of metrics cannot be written: %s", error)
            self._failing = True

    def _clock_is_trusted(self) -> bool:
        """Whether it is time to delete: once an hour, and only if the clock did not jump within the last one."""
        offset = self._clock() - self._steady()
        if abs(offset - self._offset) > _JUMP_SECONDS:
            self._offset, self._trusted_at = offset, self._steady() + HOUR
        return self._steady() >= self._trusted_at


async def _write_every(seconds: float, write: Callable[[], Awaitable[None]]) -> None:
    while True:
        # At full minutes, unless another time is wanted.
        await asyncio.sleep(seconds - time.time() % seconds)
        await write()
