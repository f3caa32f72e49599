"""Watches how long the event loop is held up: while it is, no editor gets an answer and no cancel is heard."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Histogram

EVENT_LOOP_LAG_SECONDS = Histogram(
    "hearth_event_loop_lag_seconds",
    "How much later than it was to the event loop came back to a timer.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)
_INTERVAL_SECONDS = 0.025
_SWITCH_SECONDS = 0.0005


def prefer_event_loop() -> None:
    """Let the event loop wait less for threads: one that searches or parses hands the interpreter over sooner."""
    sys.setswitchinterval(_SWITCH_SECONDS)


@asynccontextmanager
async def watched_event_loop() -> AsyncIterator[None]:
    """Measure the running event loop for the length of a context: a sample 40 times a second, of microseconds each."""
    watching = asyncio.create_task(_watch(), name="event loop lag")
    try:
        yield
    finally:
        watching.cancel()


async def _watch() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _INTERVAL_SECONDS
        await asyncio.sleep(_INTERVAL_SECONDS)
        EVENT_LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - due))
