"""The ladder of engines: the best one that is up answers, the next one stands in, and at the bottom there is silence.

An engine is replaced only before its first token: text of two engines is never mixed in one answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from indexer.errors import IndexerError
from server.config import EngineConfig
from server.engine import metrics
from server.engine.breaker import BreakerState, CircuitBreaker
from server.errors import EngineBusy, EngineRefused, EngineUnavailable
from server.signals import Signal
from server.types import CompletionRequest, Delta, Engine, EngineHealth, ExplainRequest, Rung

_log = logging.getLogger(__name__)

_COMPLETE = "complete"
_EXPLAIN = "explain"


class LadderStream:
    """Text of one engine; iterate for the deltas.

    Attributes:
        rung: Which engine answers; ``QUIET`` when none does.
        failure: Why the engine failed after its first token; what came until then stands. None when it did not.
        model: What writes, as far as the engine says.
        tokens: How many it generated so far, as far as it says.
    """

    def __init__(
        self,
        rung: Rung,
        first: Delta | None = None,
        rest: AsyncIterator[Delta] | None = None,
        on_failure: Callable[[IndexerError], None] | None = None,
    ) -> None:
        self.rung = rung
        self.failure: IndexerError | None = None
        self.model = first.model if first is not None else ""
        self.tokens = first.tokens if first is not None else 0
        self._first = first
        self._rest = rest
        self._on_failure = on_failure

    def __aiter__(self) -> LadderStream:
        return self

    async def __anext__(self) -> Delta:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._rest is None:
            raise StopAsyncIteration
        try:
            delta = await anext(self._rest)
        except IndexerError as error:
            self._rest = None
            self.failure = error
            if self._on_failure is not None:
                self._on_failure(error)
            raise StopAsyncIteration from error
        self.tokens += delta.tokens
        return delta


class Ladder:
    """An :class:`server.types.Engine` over several, best first.

    Every engine has one circuit breaker for completions and one for explanations, which another server may answer.
    While an engine is out, a task in the background asks for its health and lets requests through again once it is
    well, so that it comes back without anybody waiting for a trial.

    Args:
        engines: ``(rung, engine)``, best first; may be empty.
        config: When an engine counts as down and how long it is left alone.

    Attributes:
        changed: Told the rung and a sentence for people whenever the rung changes.
    """

    def __init__(
        self,
        engines: Sequence[tuple[Rung, Engine]],
        config: EngineConfig | None = None,
    ) -> None:
        self._config = config or EngineConfig()
        self._steps = [_Step(rung, engine, self._breaker(), self._breaker()) for rung, engine in engines]
        self._probes: dict[Rung, asyncio.Task[None]] = {}
        self._asking: asyncio.Task[EngineHealth] | None = None
        self.changed: Signal[[Rung, str]] = Signal()
        self._announced = self.rung
        self._closed = False
        metrics.LADDERS.labels(self._announced.value).inc()

    @property
    def name(self) -> str:
        """The name of the rung in use."""
        return self.rung.value

    @property
    def rung(self) -> Rung:
        """The best engine that takes completions now; ``QUIET`` when there is none."""
        for step in self._steps:
            if not step.out:
                return step.rung
        return Rung.QUIET

    @property
    def detail(self) -> str:
        """A sentence for people: why the ladder stands where it stands."""
        reasons = [f"{step.rung.value} is down: {step.reason}" for step in self._steps if step.out and step.reason]
        return "; ".join(reasons)

    def complete(self, request: CompletionRequest) -> AbstractAsyncContextManager[LadderStream]:
        """Stream the text to insert, from the best engine that gives a first token. Entering waits for that token.

        Never raises for an engine: when none answers, the stream is empty and its rung ``QUIET``.
        """
        return self._climb(_COMPLETE, lambda engine: engine.complete(request))

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[LadderStream]:
        """Let the best engine do ahead what it does before it asks; where another one answers, that is in vain."""
        best = next((step.engine for step in self._steps if not step.out), None)
        if best is None:
            return self.complete(request)
        prepared = await best.prepare(request)
        return self._climb(_COMPLETE, lambda engine: prepared if engine is best else engine.complete(request))

    def explain(self, request: ExplainRequest) -> AbstractAsyncContextManager[LadderStream]:
        """Stream an explanation. Entering waits for the first token.

        Raises:
            EngineError: No engine could answer; this is the last one's reason.
        """
        return self._climb(_EXPLAIN, lambda engine: engine.explain(request))

    async def health(self) -> EngineHealth:
        """Ask the engines from the top down until one is well; those that are not are taken out of use.

        Whoever asks while another's question is under way gets the same answer.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="engine health")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> EngineHealth:
        for step in self._steps:
            health = await step.engine.health()
            if health.available:
                self._bring_back(step)
                return health
            self._take_out(step, health.detail)
        self._announce()
        return EngineHealth(available=False, detail=self.detail or "No engine is configured")

    async def close(self) -> None:
        """Stop probing and close every engine. Idempotent."""
        if not self._closed:
            self._closed = True
            metrics.LADDERS.labels(self._announced.value).dec()
        tasks: list[asyncio.Task[Any]] = list(self._probes.values())
        self._probes.clear()
        if self._asking is not None:
            tasks.append(self._asking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for step in self._steps:
            await step.engine.close()

    def _breaker(self) -> CircuitBreaker:
        return CircuitBreaker(
            failures=self._config.failures,
            retry_seconds=self._config.retry_seconds,
            retry_max_seconds=self._config.retry_max_seconds,
        )

    @asynccontextmanager
    async def _climb(self, task: str, call: _Call) -> AsyncIterator[LadderStream]:
        last_error: IndexerError | None = None
        for step in self._steps:
            breaker = step.breaker(task)
            if (task == _COMPLETE and step.out) or not breaker.allows():
                _count(step, task, "passed-over")
                continue
            async with AsyncExitStack() as stack:
                try:
                    deltas = await stack.enter_async_context(call(step.engine))
                    first = await anext(deltas, None)
                except IndexerError as error:
                    last_error = error
                    self._note_failure(step, task, error)
                    continue
                except BaseException:
                    breaker.released()
                    _count(step, task, "cancelled")
                    raise
                self._note_success(step, task)
                yield LadderStream(step.rung, first, deltas, partial(self._note_failure, step, task, broken_off=True))
                return
        if task == _EXPLAIN:
            raise last_error or EngineUnavailable(
                "No engine can explain now", advice=self.detail or "Name one in [engine] order of hearth.toml."
            )
        yield LadderStream(Rung.QUIET)

    def _note_success(self, step: _Step, task: str) -> None:
        _count(step, task, "answered")
        step.breaker(task).succeeded()
        if task == _COMPLETE:
            step.reason = ""
        self._announce()

    def _note_failure(self, step: _Step, task: str, error: IndexerError, *, broken_off: bool = False) -> None:
        _count(step, task, "broken-off" if broken_off else "failed")
        metrics.FAILURES.labels(step.rung.value, task, error.code).inc()
        # What is refused, or away, may go on until somebody does something about it.
        advice = f". {error.advice}" if isinstance(error, (EngineRefused, EngineUnavailable)) and error.advice else ""
        _log.warning("%s could not %s: %s%s", step.rung.value, task, error.message, advice)
        step.breaker(task).failed(error.retry_after if isinstance(error, EngineBusy) else 0.0)
        if task == _COMPLETE and step.complete.state is BreakerState.OPEN:
            self._leave_alone(step, error.message)
        self._announce()

    def _take_out(self, step: _Step, reason: str) -> None:
        step.complete.trip()
        self._leave_alone(step, reason)

    def _leave_alone(self, step: _Step, reason: str) -> None:
        step.out = True
        step.reason = reason
        if step.rung not in self._probes:
            self._probes[step.rung] = asyncio.create_task(self._probe(step), name=f"probe {step.rung.value}")

    def _bring_back(self, step: _Step) -> None:
        if step.out:
            _log.info("%s is back", step.rung.value)
            step.out = False
            # One request is let through, and its outcome decides.
            step.complete.try_now()
        self._announce()

    async def _probe(self, step: _Step) -> None:
        """Ask for the engine's health whenever its breaker allows, until it is well."""
        try:
            while step.out:
                await asyncio.sleep(step.complete.retry_in)
                health = await step.engine.health()
                if health.available:
                    self._bring_back(step)
                elif step.out:
                    step.reason = health.detail
                    step.complete.failed()
        finally:
            self._probes.pop(step.rung, None)

    def _announce(self) -> None:
        rung = self.rung
        if rung is self._announced:
            return
        if not self._closed:
            metrics.STEPS.labels(self._announced.value, rung.value).inc()
            metrics.LADDERS.labels(self._announced.value).dec()
            metrics.LADDERS.labels(rung.value).inc()
        self._announced = rung
        self.changed(rung, self.detail)


def _count(step: _Step, task: str, outcome: str) -> None:
    metrics.ASKED.labels(step.rung.value, task, outcome).inc()


_Call = Callable[[Engine], AbstractAsyncContextManager[AsyncIterator[Delta]]]


@dataclass(slots=True)
class _Step:
    rung: Rung
    engine: Engine
    complete: CircuitBreaker
    explain: CircuitBreaker
    out: bool = False
    """No completions are asked of it until a probe finds it well."""
    reason: str = ""

    def breaker(self, task: str) -> CircuitBreaker:
        return self.complete if task == _COMPLETE else self.explain
