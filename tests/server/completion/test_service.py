"""The completion pipeline with an engine whose every token the test decides on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from server.completion import CompletionService, Outcome, SuggestionUpdate
from server.completion.debounce import MAX_SECONDS
from server.config import CompletionConfig, ContextConfig
from server.context import ContextGatherer, GatheredContext, RecentEdit
from server.errors import EngineUnavailable
from server.types import CompletionRequest, Delta, EngineHealth, ExplainRequest, Snippet, SnippetReason
from tests.patience import WAIT_SECONDS
from tests.server.counting import total

SNIPPET = Snippet("shop", "a.py", "c0ffee", 1, 2, "python", "def f(): ...", 1.0, SnippetReason.DEFINITION)


class PacedEngine:
    """Writes what the test puts into its queue; ``None`` ends the text."""

    def __init__(self, *texts: str | None, name: str = "vllm") -> None:
        self.name = name
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        for text in texts:
            self.queue.put_nowait(text)
        self.opened = 0
        self.closed = asyncio.Event()
        self.request: CompletionRequest | None = None

    @asynccontextmanager
    async def complete(self, request: CompletionRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        self.opened += 1
        self.request = request
        try:
            yield self._deltas()
        finally:
            self.closed.set()

    async def _deltas(self) -> AsyncIterator[Delta]:
        while (text := await self.queue.get()) is not None:
            yield Delta(text, 1)

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self.complete(request)

    @asynccontextmanager
    async def explain(self, request: ExplainRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        yield self._deltas()

    async def health(self) -> EngineHealth:
        return EngineHealth(True, "", "")

    async def close(self) -> None:
        pass


class DownEngine(PacedEngine):
    down = True

    @asynccontextmanager
    async def complete(self, request: CompletionRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        if self.down:
            raise EngineUnavailable("gone")
        yield self._deltas()


class FixedGatherer(ContextGatherer):
    """Finds one snippet, as soon as it may."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__(None)
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.answered = threading.Event()
        self.fails = fails

    def gather(
        self,
        request: CompletionRequest,
        *,
        recent_edits: Sequence[RecentEdit] = (),
        deadline_ms: float | None = None,
        session: str = "",
    ) -> GatheredContext:
        self.may_answer.wait(WAIT_SECONDS)
        if self.fails:
            raise RuntimeError("a mistake of ours")
        self.answered.set()
        return GatheredContext(snippets=(SNIPPET,))


def request(before: str = "x = ", after: str = "\n") -> CompletionRequest:
    return CompletionRequest(path="a.py", language="python", prefix=before, suffix=after)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.002)


async def collect(service: CompletionService, asked: CompletionRequest | None = None) -> list[SuggestionUpdate]:
    async with service.stream(asked or request()) as updates:
        return [update async for update in updates]


def stages(service: CompletionService, update: SuggestionUpdate) -> dict[str, float]:
    """Return the milliseconds of each stage in which a suggestion was made."""
    record = service.records.get(update.id)
    assert record is not None
    return record.making.stages


async def test_text_grows_and_ends_with_a_final_update() -> None:
    engine = PacedEngine()
    service = CompletionService(FixedGatherer(), engine)
    seen = []
    async with service.stream(request()) as updates:
        for token in ("comp", "ute(", "a)", None):
            engine.queue.put_nowait(token)
            seen.append(await anext(updates))
    assert [update.text for update in seen] == ["comp", "compute(", "compute(a)", "compute(a)"]
    assert [update.final for update in seen] == [False, False, False, True]
    assert len({update.id for update in seen}) == 1
    service.close()


async def test_what_is_written_all_at_once_is_told_at_once() -> None:
    service = CompletionService(FixedGatherer(), PacedEngine("comp", "ute(", "a", ")", None))
    updates = await collect(service)
    assert [(update.text, update.final) for update in updates] == [("comp", False), ("compute(a)", True)]
    service.close()


async def test_engine_is_asked_with_context_and_extent() -> None:
    engine = PacedEngine(None)
    service = CompletionService(FixedGatherer(), engine, CompletionConfig(max_tokens=33))
    await collect(service, request("def f():", "\n"))
    assert engine.request is not None
    assert engine.request.snippets == (SNIPPET,)
    assert engine.request.max_tokens == 33
    assert engine.request.multiline
    service.close()


async def test_the_embedded_engine_does_not_wait_for_context() -> None:
    gatherer, engine = FixedGatherer(), PacedEngine("a", None, name="embedded")
    gatherer.may_answer.clear()
    service = CompletionService(gatherer, engine, context_config=ContextConfig(deadline_ms=10_000))
    async with asyncio.timeout(WAIT_SECONDS):
        final = (await collect(service))[-1]
    assert final.text == "a"
    assert engine.request is not None
    assert engine.request.snippets == ()
    assert "gather" not in stages(service, final)
    gatherer.may_answer.set()
    service.close()


async def test_engine_is_left_as_soon_as_the_line_is_complete() -> None:
    engine = PacedEngine("value\n", "never read")
    service = CompletionService(FixedGatherer(), engine)
    updates = await collect(service)
    assert updates[-1].text == "value"
    assert engine.closed.is_set()
    assert engine.queue.qsize() == 1
    service.close()


async def test_cancel_closes_the_engines_stream() -> None:
    engine = PacedEngine("some")
    service = CompletionService(FixedGatherer(), engine)
    first = asyncio.Event()

    async def read() -> None:
        async with service.stream(request()) as updates:
            async for _ in updates:
                first.set()

    task = asyncio.create_task(read())
    async with asyncio.timeout(WAIT_SECONDS):
        await first.wait()
        task.cancel()
        await engine.closed.wait()
    with pytest.raises(asyncio.CancelledError):
        await task
    service.close()


async def test_a_request_that_a_key_announced_and_that_is_taken_back_ends_the_work_at_once() -> None:
    engine = PacedEngine("some")
    service = CompletionService(FixedGatherer(), engine)
    async with service.stream(request("x = "), document="a") as updates:
        await anext(updates)
    # The key fits, so the work goes on for the request that follows it; which comes, and is taken back by Escape.
    service.changed("a", lambda: "x = s\n")
    async with service.stream(request("x = s"), document="a") as updates:
        await anext(updates)
    async with asyncio.timeout(WAIT_SECONDS):
        await engine.closed.wait()
    service.close()


async def test_a_word_that_contradicts_what_was_typed_ends_the_work_at_once() -> None:
    engine = PacedEngine("s")
    service = CompletionService(FixedGatherer(), engine)
    async with service.stream(request("x = "), document="a") as updates:
        await anext(updates)
    service.changed("a", lambda: "x = so\n")
    engine.queue.put_nowait("ilent")
    async with asyncio.timeout(WAIT_SECONDS):
        await engine.closed.wait()
    service.close()


async def test_leaving_early_closes_the_engines_stream_and_counts_as_cancelled() -> None:
    engine = PacedEngine("some", "more")
    service = CompletionService(FixedGatherer(), engine)
    async with service.stream(request()) as updates:
        first = await anext(updates)
    assert engine.closed.is_set()
    record = service.records.get(first.id)
    assert record is not None
    assert record.outcome is Outcome.CANCELLED
    service.close()


async def test_context_that_comes_late_is_left_out() -> None:
    gatherer, engine = FixedGatherer(), PacedEngine("a", None)
    gatherer.may_answer.clear()
    service = CompletionService(gatherer, engine, context_config=ContextConfig(deadline_ms=20))
    updates = await collect(service)
    assert updates[-1].text == "a"
    assert engine.request is not None
    assert engine.request.snippets == ()
    gatherer.may_answer.set()
    service.close()


async def test_context_that_fails_stops_nothing() -> None:
    service = CompletionService(FixedGatherer(fails=True), PacedEngine("a", None))
    assert (await collect(service))[-1].text == "a"
    service.close()


async def test_engine_that_is_down_means_no_suggestion() -> None:
    service = CompletionService(FixedGatherer(), DownEngine())
    updates = await collect(service)
    assert [(update.text, update.final) for update in updates] == [("", True)]
    service.close()


async def test_completion_ends_at_its_deadline_with_what_there_is() -> None:
    service = CompletionService(FixedGatherer(), PacedEngine("some"), CompletionConfig(deadline_ms=100))
    assert (await collect(service))[-1].text == "some"
    service.close()


async def test_a_model_is_asked_only_when_the_next_key_does_not_come() -> None:
    engine = PacedEngine("a", None, name="vllm")
    service = CompletionService(FixedGatherer(), engine, CompletionConfig(debounce_ms=5000))

    async def read() -> None:
        async with service.stream(request(), automatic=True) as updates:
            async for _ in updates:
                pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.opened == 0
    # Somebody who asks is answered at once.
    final = (await collect(service))[-1]
    assert final.text == "a"
    assert "debounce" not in stages(service, final)
    service.close()


class AheadEngine(PacedEngine):
    """Writes down that it prepared and that it was asked."""

    def __init__(self, *texts: str | None) -> None:
        super().__init__(*texts)
        self.steps: list[str] = []
        self.prepared: list[CompletionRequest] = []

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        self.steps.append("prepared")
        self.prepared.append(request)
        return self.complete(request)

    async def _deltas(self) -> AsyncIterator[Delta]:
        self.steps.append("asked")
        async for delta in super()._deltas():
            yield delta


async def test_all_of_a_document_is_shown_to_the_model_s_tokenizer_when_it_is_opened() -> None:
    engine, embedded = AheadEngine(), AheadEngine()
    embedded.name = "embedded"
    for writer in (engine, embedded):
        service = CompletionService(FixedGatherer(), writer)
        await service.opened(request("", "x = 1\ny = 2\n"), "session")
        service.close()
    [prepared] = engine.prepared
    assert (prepared.prefix, prepared.suffix) == ("x = 1\ny = 2\n", "")
    assert engine.opened == 0
    assert not embedded.prepared, "it counts no tokens"


async def test_what_a_model_is_asked_is_written_before_the_pause_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = AheadEngine("a", None)
    service = CompletionService(FixedGatherer(), engine, CompletionConfig(debounce_ms=200))
    # The request comes when a clock that nobody waits for says so.
    came = time.perf_counter() + WAIT_SECONDS

    async def note(moment: float) -> None:
        engine.steps.append(f"{moment - came:.2f} s")

    monkeypatch.setattr("server.completion.running._sleep_until", note)
    async with service.stream(request(), automatic=True, asked_at=came) as updates:
        last = [update async for update in updates][-1]
    assert engine.steps == ["0.19 s", "prepared", "0.20 s", "asked"], "the pause counts from when the request came"
    assert engine.prepared[0].snippets == (SNIPPET,)
    assert stages(service, last)["debounce"] == pytest.approx(200)
    service.close()


async def test_nothing_is_written_for_a_key_that_the_next_one_overtakes() -> None:
    engine = AheadEngine("a", None)
    gatherer = FixedGatherer()
    service = CompletionService(gatherer, engine, CompletionConfig(debounce_ms=5000))
    async with service.stream(request(), automatic=True, document="a.py") as updates:
        task = asyncio.ensure_future(anext(updates))
        await until(gatherer.answered.is_set)
        await asyncio.sleep(0.02)
        service.changed("a.py", lambda: "x = 1\n")
        async with asyncio.timeout(WAIT_SECONDS):
            assert (await task).text == ""
    assert engine.steps == []
    service.close()


async def test_a_model_that_turned_out_quick_is_asked_at_once() -> None:
    engine = PacedEngine("a", None, "b", None)
    service = CompletionService(FixedGatherer(), engine, CompletionConfig(debounce_ms=5000))
    await collect(service)
    async with service.stream(request("y = "), automatic=True) as updates:
        final = [update async for update in updates][-1]
    assert final.text == "b"
    # As long as its first token took at most, and never longer than this.
    assert stages(service, final).get("debounce", 0.0) <= 1000 * MAX_SECONDS
    service.close()


async def test_an_engine_that_is_sure_says_so_and_names_its_source() -> None:
    class Sure(PacedEngine):
        async def _deltas(self) -> AsyncIterator[Delta]:
            yield Delta("va", 1, 0.9, "embedded:a.py:3")
            yield Delta("lue", 1, 0.9, "embedded:a.py:3")

    service = CompletionService(FixedGatherer(), Sure(name="embedded"))
    updates = await collect(service)
    assert {(update.confidence, update.source) for update in updates} == {(0.9, "embedded:a.py:3")}
    record = service.records.get(updates[0].id)
    assert record is not None
    assert (record.making.confidence, record.making.source) == (0.9, "embedded:a.py:3")
    service.close()


async def test_tokens_of_what_is_typed_along_are_counted_once() -> None:
    engine = PacedEngine("width", " * 2")
    service = CompletionService(FixedGatherer(), engine)
    before = {name: total(name, engine="vllm") for name in COUNTED}
    async with service.stream(request(), document="a") as updates:
        assert (await anext(updates)).text == "width"
    service.changed("a", lambda: "x = w\n")
    async with service.stream(request("x = w"), document="a") as updates:
        engine.queue.put_nowait(None)
        assert [update.text async for update in updates][-1] == "idth * 2"
    async with service.stream(request("x = wi"), document="a") as updates:
        assert [update.text async for update in updates] == ["dth * 2"]
    service.close()
    assert {name: total(name, engine="vllm") - before[name] for name in COUNTED} == {
        "hearth_completion_engine_requests_total": 1,
        "hearth_completion_tokens_total": 2,
        "hearth_completions_recycled_total": 1,
        "hearth_completion_cache_hits_total": 1,
    }


async def test_a_mistake_of_ours_in_the_work_behind_reaches_the_caller() -> None:
    class Broken(PacedEngine):
        async def _deltas(self) -> AsyncIterator[Delta]:
            yield Delta("a", 1)
            raise ZeroDivisionError

    service = CompletionService(FixedGatherer(), Broken())
    with pytest.raises(ZeroDivisionError):
        await collect(service)
    service.close()


COUNTED = (
    "hearth_completion_engine_requests_total",
    "hearth_completion_tokens_total",
    "hearth_completions_recycled_total",
    "hearth_completion_cache_hits_total",
)


async def test_records_say_why_and_what_became_of_it() -> None:
    service = CompletionService(FixedGatherer(), PacedEngine("value", None))
    final = (await collect(service))[-1]
    record = service.records.get(final.id)
    assert record is not None
    assert record.outcome is Outcome.SUGGESTED
    assert record.making.snippets == (SNIPPET,)
    assert {"gather", "first_token", "engine"} <= record.making.stages.keys()
    service.records.note_partially_accepted(final.id, 2)
    service.records.note_accepted(final.id)
    service.records.note_accepted(final.id)
    assert record.accepted_characters == len("value")
    service.close()


def test_records_are_bounded_and_forget_the_oldest() -> None:
    from server.completion import SuggestionRecord, SuggestionRecords

    records = SuggestionRecords(limit=2)
    made = [SuggestionRecord() for _ in range(3)]
    for record in made:
        records.add(record)
    assert records.get(made[0].id) is None
    assert records.get(made[2].id) is made[2]
    records.note_shown("unknown")
