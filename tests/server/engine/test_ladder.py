"""The ladder over real engines and servers that fail and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.config import EngineConfig, ExplainConfig, VllmConfig
from server.engine.ladder import Ladder, LadderStream
from server.engine.vllm import VllmEngine
from server.errors import EngineError
from server.types import ChatMessage, CompletionRequest, ExplainRequest, Prompt, Rung
from tests.patience import MODEL_LIMITS, WAIT_SECONDS
from tests.server.counting import Counting
from tests.server.engine.fault_server import (
    DONE,
    MODEL,
    Behaviour,
    FaultServer,
    answers,
    chat_event,
    closes_after,
    event,
    fault_server,
    hangs_after,
    refuses,
    repeats,
)

REQUEST = CompletionRequest(path="a.py", language="python", prefix="x = ", suffix="\n")
EXPLAIN = ExplainRequest(path="a.py", language="python", text="x = 1\n", start_line=1, end_line=1)
CONFIG = EngineConfig(failures=2, retry_seconds=0.05, retry_max_seconds=0.1)


async def write_prompt(request: CompletionRequest, _model: str) -> Prompt:
    return Prompt(request.prefix)


async def write_explanation(request: ExplainRequest) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", request.text),)


def engine_for(server: FaultServer, **limits: Any) -> VllmEngine:
    config = VllmConfig(url=server.url, model=MODEL, **{**MODEL_LIMITS, **limits})
    return VllmEngine(
        config,
        ExplainConfig(),
        write_prompt=write_prompt,
        write_explanation=write_explanation,
    )


def says(text: str) -> Behaviour:
    return answers(event(text, finish="stop"), DONE)


class Rig:
    """Two servers, a ladder over both, and every change of rung it announced."""

    def __init__(self, best: FaultServer, second: FaultServer, **limits: Any) -> None:
        self.best, self.second = best, second
        self.asked = Counting("hearth_engine_requests_total")
        self.failures = Counting("hearth_engine_failures_total")
        self.steps = Counting("hearth_ladder_steps_total")
        self.changes: asyncio.Queue[tuple[Rung, str]] = asyncio.Queue()
        self.ladder = Ladder([(Rung.VLLM, engine_for(best, **limits)), (Rung.EMBEDDED, engine_for(second))], CONFIG)
        self.ladder.changed.connect(lambda rung, detail: self.changes.put_nowait((rung, detail)))
        best.behaviour, second.behaviour = says("best"), says("second")

    async def ask(self) -> tuple[str, LadderStream]:
        async with self.ladder.complete(REQUEST) as stream:
            return "".join([delta.text async for delta in stream]), stream

    async def change(self) -> tuple[Rung, str]:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.changes.get()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with fault_server() as best, fault_server() as second:
        running = Rig(best, second)
        yield running
        await running.ladder.close()


async def test_the_best_engine_answers(rig: Rig) -> None:
    text, stream = await rig.ask()
    assert (text, stream.rung, rig.ladder.rung) == ("best", Rung.VLLM, Rung.VLLM)
    assert not rig.second.requests


@pytest.mark.parametrize("failure", [refuses(500), refuses(401), refuses(503), closes_after(), answers(b"data: {\n\n")])
async def test_the_next_engine_answers_when_the_best_fails_before_its_first_token(rig: Rig, failure: Behaviour) -> None:
    rig.best.behaviour = failure
    text, stream = await rig.ask()
    assert (text, stream.rung, stream.failure) == ("second", Rung.EMBEDDED, None)


async def test_the_next_engine_answers_when_the_best_says_nothing_in_time() -> None:
    async with fault_server() as best, fault_server() as second:
        rig = Rig(best, second, first_token_seconds=0.2)
        best.behaviour = hangs_after()
        text, stream = await rig.ask()
        assert (text, stream.rung, stream.failure) == ("second", Rung.EMBEDDED, None)
        await rig.ladder.close()


async def test_silence_is_an_answer(rig: Rig) -> None:
    rig.best.behaviour = says("")
    text, stream = await rig.ask()
    assert (text, stream.rung) == ("", Rung.VLLM)
    assert not rig.second.requests


async def test_a_failure_after_the_first_token_ends_the_text_and_mixes_nothing_in(rig: Rig) -> None:
    rig.best.behaviour = closes_after(event("half"))
    text, stream = await rig.ask()
    assert (text, stream.rung) == ("half", Rung.VLLM)
    assert isinstance(stream.failure, EngineError)
    assert not rig.second.requests


async def test_a_failing_engine_is_left_alone_and_comes_back(rig: Rig) -> None:
    rig.best.behaviour, rig.best.health_status = refuses(500), 500
    for _ in range(2):
        assert (await rig.ask())[0] == "second"
    rung, detail = await rig.change()
    assert rung is Rung.EMBEDDED
    assert "vllm is down" in detail
    asked = len(rig.best.requests)
    for _ in range(3):
        assert (await rig.ask())[0] == "second"
    assert len(rig.best.requests) == asked

    rig.best.behaviour, rig.best.health_status = says("best"), 200
    rung, _ = await rig.change()
    assert rung is Rung.VLLM
    assert (await rig.ask())[0] == "best"
    assert rig.asked.added() == {
        ("vllm", "complete", "failed"): 2,
        ("vllm", "complete", "passed-over"): 3,
        ("vllm", "complete", "answered"): 1,
        ("embedded", "complete", "answered"): 5,
    }
    assert rig.failures.added() == {("vllm", "complete", "engine-unavailable"): 2}
    assert rig.steps.added() == {("vllm", "embedded"): 1, ("embedded", "vllm"): 1}


async def test_of_many_requests_at_once_a_single_one_tries_an_engine_that_failed(rig: Rig) -> None:
    rig.best.behaviour, rig.best.health_status = refuses(500), 500
    for _ in range(2):
        await rig.ask()
    await rig.change()
    released, trying = asyncio.Event(), asyncio.Event()
    good = says("best")

    async def slowly_well(server: FaultServer, request: Any) -> Any:
        trying.set()
        await released.wait()
        return await good(server, request)

    rig.best.behaviour, rig.best.health_status = slowly_well, 200
    assert (await rig.change())[0] is Rung.VLLM
    asked = len(rig.best.requests)
    asking = [asyncio.create_task(rig.ask()) for _ in range(50)]
    await trying.wait()
    done, waiting = await asyncio.wait(asking, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    while len(waiting) > 1:
        done, waiting = await asyncio.wait(waiting, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert done
    assert len(rig.best.requests) - asked == 1
    released.set()
    texts = sorted([text for text, _ in await asyncio.gather(*asking)])
    assert texts == ["best", *["second"] * 49]
    # It was well: now everybody may pass.
    assert [text for text, _ in await asyncio.gather(*[rig.ask() for _ in range(10)])] == ["best"] * 10


async def test_one_that_is_well_only_by_its_own_word_is_left_alone_again(rig: Rig) -> None:
    rig.best.behaviour = refuses(500)  # and /health says 200
    for _ in range(2):
        await rig.ask()
    assert (await rig.change())[0] is Rung.EMBEDDED
    assert (await rig.change())[0] is Rung.VLLM
    assert (await rig.ask())[0] == "second"  # the trial
    assert (await rig.change())[0] is Rung.EMBEDDED


async def test_with_no_engine_left_there_is_silence_and_no_error(rig: Rig) -> None:
    rig.best.behaviour = rig.second.behaviour = refuses(500)
    text, stream = await rig.ask()
    assert (text, stream.rung) == ("", Rung.QUIET)
    await rig.ask()
    assert rig.ladder.rung is Rung.QUIET


async def test_an_empty_ladder_is_quiet() -> None:
    ladder = Ladder([])
    async with ladder.complete(REQUEST) as stream:
        assert [delta async for delta in stream] == []
    assert ladder.rung is Rung.QUIET
    assert not (await ladder.health()).available


async def test_explanations_fall_too_and_raise_when_nobody_can(rig: Rig) -> None:
    rig.best.behaviour = refuses(404)
    rig.second.behaviour = answers(chat_event("It works.", finish="stop"), DONE)
    async with rig.ladder.explain(EXPLAIN) as stream:
        assert "".join([delta.text async for delta in stream]) == "It works."
        assert stream.rung is Rung.EMBEDDED
    rig.second.behaviour = refuses(500)
    with pytest.raises(EngineError):
        async with rig.ladder.explain(EXPLAIN):
            pass
    # A chat model that is missing says nothing about completions.
    assert rig.ladder.rung is Rung.VLLM


async def test_health_takes_a_dead_engine_out_before_anybody_waits_for_it(rig: Rig) -> None:
    rig.best.health_status = 503
    health = await rig.ladder.health()
    assert health.available
    assert rig.ladder.rung is Rung.EMBEDDED
    assert (await rig.ask())[0] == "second"
    assert not rig.best.requests
    rig.best.health_status = 200
    assert (await rig.change())[0] is Rung.EMBEDDED
    assert (await rig.change())[0] is Rung.VLLM


async def test_leaving_the_stream_reaches_the_engine(rig: Rig) -> None:
    rig.best.behaviour = repeats(event("word "), 0.005)
    async with rig.ladder.complete(REQUEST) as stream:
        await anext(stream)
    async with asyncio.timeout(WAIT_SECONDS):
        await rig.best.closed.wait()


async def test_a_cancel_before_the_first_token_reaches_the_engine_and_counts_as_nothing(rig: Rig) -> None:
    rig.best.behaviour = hangs_after()
    task = asyncio.create_task(rig.ask())
    await rig.best.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(WAIT_SECONDS):
        await rig.best.closed.wait()
    assert rig.asked.added() == {("vllm", "complete", "cancelled"): 1}
    assert rig.ladder.rung is Rung.VLLM


async def test_a_server_that_asks_for_time_is_left_alone_at_once(rig: Rig) -> None:
    rig.best.behaviour, rig.best.health_status = refuses(503, {}, {"Retry-After": "30"}), 503
    assert (await rig.ask())[0] == "second"
    assert rig.ladder.rung is Rung.EMBEDDED


async def test_closing_ends_the_probes(rig: Rig) -> None:
    rig.best.health_status = 500
    await rig.ladder.health()
    await rig.ladder.close()
    await rig.ladder.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("probe")]


async def test_ladders_are_counted_by_the_engine_they_stand_on(rig: Rig) -> None:
    standing = Counting("hearth_ladders")
    other = Ladder([(Rung.VLLM, engine_for(rig.best))], CONFIG)
    assert standing.added() == {("vllm",): 1}
    rig.best.health_status = 500
    await other.health()
    assert standing.added() == {("quiet",): 1}
    await other.close()
    await other.close()
    assert standing.added() == {}


async def test_what_is_prepared_is_asked_of_the_best_engine_and_of_the_next_when_that_fails(rig: Rig) -> None:
    prepared = await rig.ladder.prepare(REQUEST)
    assert rig.best.requests == [], "to prepare is not to ask"
    async with prepared as stream:
        assert ("".join([delta.text async for delta in stream]), stream.rung) == ("best", Rung.VLLM)
    prepared = await rig.ladder.prepare(REQUEST)
    rig.best.behaviour = refuses(500)
    async with prepared as stream:
        assert ("".join([delta.text async for delta in stream]), stream.rung) == ("second", Rung.EMBEDDED)
    await rig.ladder.close()
