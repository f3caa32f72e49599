"""Reading what was measured: one thread, shared answers, and an end to waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from aiohttp import web

from server.config import HistoryConfig
from server.errors import HistoryError
from server.gateway.figures import Wanted
from server.gateway.readings import MAX_WAITING, Readings
from server.history import STAGE_NAMES, History, Price, Prices, Span, Split
from tests.patience import WAIT_SECONDS

WANTED = [
    Wanted(span, Split.NOTHING, work, stage)
    for span, work, stage in product(Span, ("completion", "explanation"), STAGE_NAMES)
]


class SlowHistory(History):
    """One whose disk answers when a test lets it."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, HistoryConfig())
        self.go_on = threading.Event()
        self.reads = 0
        self.fails = False

    def counts(self, *arguments: object) -> list[object]:  # type: ignore[override]  # It has nothing to tell.
        self.reads += 1
        assert self.go_on.wait(WAIT_SECONDS)
        if self.fails:
            raise HistoryError("the disk is gone")
        return []

    def times(self, *arguments: object) -> list[object]:  # type: ignore[override]  # The same.
        return self.counts()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[SlowHistory]:
    with SlowHistory(tmp_path) as opened:
        yield opened
        opened.go_on.set()


async def test_those_who_ask_the_same_share_an_answer_and_nobody_takes_it_from_them(history: SlowHistory) -> None:
    readings = Readings(history)
    asking = [asyncio.create_task(readings.usage(Span.DAY, Split.MODEL)) for _ in range(100)]
    await asyncio.sleep(0)
    asking[0].cancel()
    history.go_on.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert len({id(answer) for answer in answers[1:]}) == 1
    assert history.reads == 1
    readings.close()


async def test_a_crowd_is_turned_away_and_served_again_later(history: SlowHistory) -> None:
    readings = Readings(history)
    asking = [asyncio.create_task(readings.latency(wanted)) for wanted in WANTED[: MAX_WAITING + 5]]
    await asyncio.sleep(0)
    refused = [task for task in asking if task.done()]
    assert len(refused) == 5
    assert {type(task.exception()) for task in refused} == {web.HTTPServiceUnavailable}
    history.go_on.set()
    await asyncio.gather(*asking, return_exceptions=True)
    assert (await readings.latency(WANTED[-1])).groups == ()
    readings.close()


async def test_a_failure_is_told_to_those_who_asked_and_not_kept(history: SlowHistory) -> None:
    readings = Readings(history)
    history.go_on.set()
    history.fails = True
    with pytest.raises(HistoryError):
        await readings.usage(Span.DAY, Split.NOTHING)
    history.fails = False
    assert (await readings.usage(Span.DAY, Split.NOTHING)).all.all.shown == 0
    readings.close()


async def test_two_who_change_prices_at_the_same_time_lose_none(tmp_path: Path) -> None:
    with History(tmp_path, HistoryConfig()) as history:
        readings = Readings(history)

        async def add(name: str) -> None:
            await readings.change_prices(lambda prices: Prices("", {**prices.models, name: Price(1.0, 2.0)}))

        assert (await readings.prices()).models == {}
        await asyncio.gather(*(add(f"model-{number}") for number in range(20)))
        assert len((await readings.prices()).models) == 20
        readings.close()
