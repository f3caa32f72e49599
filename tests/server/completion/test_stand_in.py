"""What is shown until a model's first token, and how the model takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from server.completion import CompletionService, SuggestionUpdate
from server.config import CompletionConfig
from server.types import Completion, CompletionRequest
from tests.patience import WAIT_SECONDS
from tests.server.completion.test_service import FixedGatherer, PacedEngine, request, until

SURE = 0.9


class Proposer:
    """Says one text, with one confidence."""

    def __init__(self, text: str, confidence: float = SURE, *, mistake: Exception | None = None) -> None:
        self.text = text
        self.confidence = confidence
        self.mistake = mistake
        self.asked = 0

    def __call__(self, asked: CompletionRequest, least: float) -> Completion | None:
        self.asked += 1
        if self.mistake is not None:
            raise self.mistake
        return Completion(self.text, self.confidence, "embedded:a.py:3") if self.confidence >= least else None


@asynccontextmanager
async def asking(
    propose: Proposer, engine: PacedEngine, config: CompletionConfig | None = None
) -> AsyncIterator[AsyncIterator[SuggestionUpdate]]:
    service = CompletionService(FixedGatherer(), engine, config, propose=propose)
    async with asyncio.timeout(WAIT_SECONDS), service.stream(request(), document="a") as updates:
        yield updates
    service.close()


async def rest(updates: AsyncIterator[SuggestionUpdate]) -> list[tuple[str, str]]:
    """Return the engines and texts that are still to come."""
    return [(update.engine, update.text) async for update in updates]


async def test_it_is_shown_while_the_model_is_silent_and_grows_when_the_model_says_the_same() -> None:
    engine = PacedEngine()
    async with asking(Proposer("width"), engine) as updates:
        first = await anext(updates)
        assert (first.engine, first.text, first.confidence, first.source) == (
            "embedded",
            "width",
            SURE,
            "embedded:a.py:3",
        )
        for token in ("wi", "dth", " * ", "2", None):
            engine.queue.put_nowait(token)
        # What the model says is not shown before it says more than is there.
        assert await rest(updates) == [("vllm", "width *"), ("vllm", "width * 2")]


async def test_another_text_takes_its_place_at_once_and_never_over_nothing() -> None:
    engine = PacedEngine()
    async with asking(Proposer("width"), engine) as updates:
        assert (await anext(updates)).text == "width"
        for token in (" ", "w", "eight", " + 1", None):
            engine.queue.put_nowait(token)
        later = await rest(updates)
    assert {engine for engine, _ in later} == {"vllm"}
    assert [text for _, text in later] == [" w", " weight + 1"]


async def test_a_model_that_says_less_is_right_in_the_end() -> None:
    engine = PacedEngine()
    async with asking(Proposer("width * height"), engine) as updates:
        assert (await anext(updates)).text == "width * height"
        for token in ("width", None):
            engine.queue.put_nowait(token)
        assert await rest(updates) == [("vllm", "width")]


async def test_it_stays_when_the_model_says_nothing() -> None:
    engine = PacedEngine()
    async with asking(Proposer("width"), engine) as updates:
        await anext(updates)
        engine.queue.put_nowait(None)
        assert await rest(updates) == [("embedded", "width")]


async def test_a_quicker_model_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.completion.stand_in.AFTER_SECONDS", WAIT_SECONDS)
    propose = Proposer("width")
    async with asking(propose, PacedEngine("height", None)) as updates:
        assert {engine for engine, _ in await rest(updates)} == {"vllm"}
    assert propose.asked == 0


async def test_a_model_that_usually_is_quick_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.completion.service.QUICK_SECONDS", WAIT_SECONDS)
    propose, engine = Proposer("width"), PacedEngine("height", None)
    service = CompletionService(FixedGatherer(), engine, propose=propose)
    await service.complete(request())
    async with asyncio.timeout(WAIT_SECONDS), service.stream(request("y = ")) as updates:
        next_update = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0.1)
        assert propose.asked == 0
        engine.queue.put_nowait("depth")
        assert (await next_update).text == "depth"
    service.close()


@pytest.mark.parametrize(
    "propose",
    [Proposer("width", 0.6), Proposer(""), Proposer("width", mistake=ZeroDivisionError())],
    ids=["unsure", "empty", "broken"],
)
async def test_without_one_the_model_is_waited_for(propose: Proposer) -> None:
    engine = PacedEngine()
    async with asking(propose, engine) as updates:
        next_update = asyncio.ensure_future(anext(updates))
        await until(lambda: propose.asked)
        engine.queue.put_nowait("height")
        assert (await next_update).text == "height"


async def test_it_can_be_turned_off() -> None:
    propose, engine = Proposer("width"), PacedEngine()
    async with asking(propose, engine, CompletionConfig(stand_in=0.0)) as updates:
        next_update = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0.1)
        assert propose.asked == 0
        engine.queue.put_nowait("height")
        assert (await next_update).text == "height"


async def test_what_the_user_types_of_it_is_not_shown_again() -> None:
    engine, propose = PacedEngine(), Proposer("width")
    service = CompletionService(FixedGatherer(), engine, propose=propose)
    async with asyncio.timeout(WAIT_SECONDS):
        async with service.stream(request(), document="a") as updates:
            assert (await anext(updates)).text == "width"
        service.changed("a", lambda: "x = wi\n")
        async with service.stream(request("x = wi"), document="a") as updates:
            second = await anext(updates)
            assert (second.engine, second.text) == ("embedded", "dth")
            for token in ("width", " * 2", None):
                engine.queue.put_nowait(token)
            assert await rest(updates) == [("vllm", "dth * 2"), ("vllm", "dth * 2")]
    assert (engine.opened, propose.asked) == (1, 1)
    service.close()


async def test_a_model_that_does_not_say_what_was_typed_is_asked_again_behind_it() -> None:
    engine = PacedEngine()
    service = CompletionService(FixedGatherer(), engine, propose=Proposer("width"))
    async with asyncio.timeout(WAIT_SECONDS):
        async with service.stream(request(), document="a") as updates:
            assert (await anext(updates)).text == "width"
        service.changed("a", lambda: "x = wi\n")
        async with service.stream(request("x = wi"), document="a") as updates:
            assert (await anext(updates)).text == "dth"
            later = asyncio.ensure_future(rest(updates))
            engine.queue.put_nowait("height")
            await until(lambda: engine.opened == 2)
            for token in ("ll", None):
                engine.queue.put_nowait(token)
            assert await later == [("vllm", "ll"), ("vllm", "ll")]
    service.close()


async def test_what_became_of_it_is_counted() -> None:
    before = {outcome: counted(outcome) for outcome in ("continued", "replaced", "left")}
    for tokens in (["width * 2", None], ["height", None], [None]):
        engine = PacedEngine()
        async with asking(Proposer("width"), engine) as updates:
            await anext(updates)
            for token in tokens:
                engine.queue.put_nowait(token)
            await rest(updates)
    assert {outcome: counted(outcome) - count for outcome, count in before.items()} == {
        "continued": 1,
        "replaced": 1,
        "left": 1,
    }


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("hearth_completion_stand_ins_total", {"outcome": outcome}) or 0.0
