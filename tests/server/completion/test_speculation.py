"""What is begun when a suggestion is taken, who gets it, and what it costs when nobody does."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from server.completion import CompletionService, SuggestionUpdate
from server.completion.running import TYPING_GRACE_SECONDS
from server.config import CompletionConfig
from server.types import CompletionRequest
from tests.patience import WAIT_SECONDS
from tests.server.completion.test_service import SNIPPET, FixedGatherer, PacedEngine, request, until
from tests.server.counting import total

SLOW = CompletionConfig(debounce_ms=5000, adaptive_debounce=False)


async def suggest(service: CompletionService, engine: PacedEngine, text: str, before: str = "x = ") -> SuggestionUpdate:
    """Let the user see a suggestion in ``before``."""
    engine.queue.put_nowait(text)
    engine.queue.put_nowait(None)
    async with asyncio.timeout(WAIT_SECONDS), service.stream(request(before), document="a") as updates:
        final = [update async for update in updates][-1]
    assert final.text == text
    return final


async def asked_again(service: CompletionService, asked: CompletionRequest) -> SuggestionUpdate:
    async with asyncio.timeout(WAIT_SECONDS), service.stream(asked, document="a", automatic=True) as updates:
        return [update async for update in updates][-1]


@pytest.mark.parametrize("reported", ["by the editor", "by the text", "by both"])
async def test_the_next_request_finds_what_was_begun_when_a_suggestion_was_taken(reported: str) -> None:
    engine = PacedEngine()
    service = CompletionService(FixedGatherer(), engine, SLOW)
    final = await suggest(service, engine, "width")
    if reported != "by the text":
        service.accepted(final.id)
    if reported != "by the editor":
        service.changed("a", lambda: "x = width\n")
    # Nobody has asked yet, and no pause is made.
    await until(lambda: engine.opened == 2)
    assert engine.request is not None
    assert (engine.request.prefix, engine.request.snippets) == ("x = width", (SNIPPET,))
    engine.queue.put_nowait(" * 2")
    engine.queue.put_nowait(None)
    assert (await asked_again(service, request("x = width"))).text == " * 2"
    assert engine.opened == 2
    service.close()


async def test_a_suggestion_typed_to_its_end_was_taken() -> None:
    engine = PacedEngine()
    service = CompletionService(FixedGatherer(), engine, SLOW)
    await suggest(service, engine, "width")
    for typed in ("w", "wi", "wid", "widt", "width"):
        assert engine.opened == 1
        service.changed("a", partial(str, f"x = {typed}\n"))
    await until(lambda: engine.opened == 2)
    service.close()


@pytest.mark.parametrize("text", ["x = y\n", "x = wide\n", "x = width + 1\n", "y\nx = width\n"])
async def test_other_text_begins_nothing(text: str) -> None:
    engine = PacedEngine()
    service = CompletionService(FixedGatherer(), engine, SLOW)
    await suggest(service, engine, "width")
    service.changed("a", lambda: text)
    service.changed("a", lambda: "x = width\n")
    await asyncio.sleep(0.05)
    assert engine.opened == 1
    service.close()


async def test_it_ends_when_the_user_goes_elsewhere_and_its_tokens_have_a_name() -> None:
    engine = PacedEngine()
    service = CompletionService(FixedGatherer(), engine, SLOW)
    final = await suggest(service, engine, "width")
    service.accepted(final.id)
    await until(lambda: engine.opened == 2)
    before = wasted()
    engine.closed.clear()
    engine.queue.put_nowait(" * 2")
    await until(engine.queue.empty)
    service.changed("a", lambda: "x = width\nz\n")
    async with asyncio.timeout(WAIT_SECONDS):
        await engine.closed.wait()
    await until(lambda: wasted() > before)
    assert wasted() == before + 1
    service.close()


async def test_it_ends_by_itself_when_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.completion.running.TYPING_GRACE_SECONDS", TYPING_GRACE_SECONDS)
    engine = PacedEngine()
    service = CompletionService(FixedGatherer(), engine, SLOW)
    final = await suggest(service, engine, "width")
    engine.closed.clear()
    service.accepted(final.id)
    async with asyncio.timeout(WAIT_SECONDS):
        await engine.closed.wait()
    assert engine.opened == 2
    service.close()


async def test_nothing_is_begun_while_too_much_is_wasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.completion.running.TYPING_GRACE_SECONDS", TYPING_GRACE_SECONDS)
    engine = PacedEngine()
    service = CompletionService(FixedGatherer(), engine, SLOW)
    final = await suggest(service, engine, "width")
    engine.closed.clear()
    engine.queue.put_nowait(" * 2")
    service.accepted(final.id)
    await until(lambda: engine.opened == 2)
    # Nobody asks: one token of two was in vain.
    async with asyncio.timeout(WAIT_SECONDS):
        await engine.closed.wait()
    final = await suggest(service, engine, "height", "y = ")
    assert engine.opened == 3
    service.accepted(final.id)
    await asyncio.sleep(0.05)
    assert engine.opened == 3
    # Each token that is read makes up for it a little.
    for number in range(10):
        final = await suggest(service, engine, "depth", f"z{number} = ")
    service.accepted(final.id)
    await until(lambda: engine.opened == 14)
    service.close()


@pytest.mark.parametrize("name", ["vllm", "embedded"])
async def test_only_a_model_is_asked_ahead_and_only_if_that_is_wanted(name: str) -> None:
    engine = PacedEngine(name=name)
    config = CompletionConfig(debounce_ms=0, speculate=name != "vllm")
    service = CompletionService(FixedGatherer(), engine, config)
    final = await suggest(service, engine, "width")
    service.accepted(final.id)
    await asyncio.sleep(0.05)
    assert engine.opened == 1
    service.close()


def wasted() -> float:
    return total("hearth_completion_wasted_tokens_total", engine="vllm", reason="speculative")
