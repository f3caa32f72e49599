from __future__ import annotations

import asyncio
import sys
import time

from prometheus_client import REGISTRY

from server.event_loop import prefer_event_loop, watched_event_loop


def lag_seconds() -> float:
    return REGISTRY.get_sample_value("hearth_event_loop_lag_seconds_sum") or 0.0


async def test_what_holds_up_the_loop_is_seen() -> None:
    before = lag_seconds()
    async with watched_event_loop():
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - this is what must be noticed
        for _ in range(2000):
            if lag_seconds() - before > 0.2:
                break
            await asyncio.sleep(0.01)
    assert lag_seconds() - before > 0.2


async def test_a_watch_ends_with_its_context() -> None:
    async with watched_event_loop():
        watching = [task for task in asyncio.all_tasks() if task.get_name() == "event loop lag"]
        assert len(watching) == 1
    await asyncio.wait(watching)
    assert watching[0].cancelled()


def test_threads_hand_the_interpreter_over_sooner_than_by_default() -> None:
    before, default = sys.getswitchinterval(), 0.005
    try:
        sys.setswitchinterval(default)
        prefer_event_loop()
        assert sys.getswitchinterval() < default
    finally:
        sys.setswitchinterval(before)
