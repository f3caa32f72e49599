"""Explains code: collects facts, lets an engine write, and lets only citations through that exist."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from indexer.api import Index
from server import tracing
from server.config import ExplainConfig
from server.context.resolution import Resolver
from server.correlation import REQUEST_ID
from server.engine.ladder import LadderStream
from server.engine.metrics import StageTimes, caller_labels, model_label
from server.engine.timing import DeltaTimes
from server.explain import metrics
from server.explain.citations import CitationFilter, citations_of
from server.explain.facts import FactFinder
from server.explain.values import ExplainTarget, Explanation
from server.types import Delta, Engine, ExplainRequest

log = logging.getLogger(__name__)

_AT_ITS_LIMIT = "It is as long as an explanation may be (`[explain] max_tokens` of hearth.toml)."


class ExplanationStream:
    """An explanation while it is written: iterate once for the deltas, then read :attr:`result`."""

    def __init__(
        self, request: ExplainRequest, deltas: AsyncIterator[Delta], engine: str, asked: float, stages: StageTimes
    ) -> None:
        self.request = request
        """The code and the facts that the engine was given."""
        self._deltas = deltas
        self._engine = engine
        self._asked = asked
        self._filter = CitationFilter(citations_of(request.facts))
        self._stages = stages
        self._times = DeltaTimes(partial(stages.note, "per_token"))
        self._shown: list[str] = []
        self._tokens = 0
        self._limited = False
        self.model = ""
        """What writes it, as far as known."""

    async def __aiter__(self) -> AsyncIterator[str]:
        began = False
        async for delta in self._deltas:
            self._times.arrived(delta)
            if not began:
                began = True
                self._begin(delta)
            self._tokens += delta.tokens
            self._limited = self._limited or delta.limited
            shown = self._filter.feed(delta.text)
            self._times.handled()
            if shown:
                self._shown.append(shown)
                yield shown
        rest = self._filter.finish()
        if rest:
            self._shown.append(rest)
            yield rest

    @property
    def result(self) -> Explanation:
        """What was shown so far with the citations it uses; the whole explanation once the iteration ended."""
        return Explanation("".join(self._shown), self._filter.cited, self._engine, self._ended_early)

    @property
    def _ended_early(self) -> str:
        failure = self._deltas.failure if isinstance(self._deltas, LadderStream) else None
        if failure is not None:
            return f"{failure.message}."
        return _AT_ITS_LIMIT if self._limited else ""

    def count(self) -> None:
        """The stream has been left: count what it cost."""
        _note(self._stages, "post_process", self._times.handling_seconds)
        if self._tokens:
            who = caller_labels(self.request.caller)
            metrics.GENERATED_TOKENS.labels(self._engine, model_label(self.model or self._engine), *who).inc(
                self._tokens
            )

    def _begin(self, delta: Delta) -> None:
        self.model = delta.model
        for name, milliseconds in delta.stages.items():
            _note(self._stages, name, milliseconds / 1000)
        _note(self._stages, "first_token", time.perf_counter() - self._asked)


class Explainer:
    """Explains selections and definitions.

    Args:
        index: The index to draw facts from; ``None`` leaves what the open documents say.
        engine: Writes the text; normally the ladder.
        config: How many facts are collected.
    """

    def __init__(self, index: Index | None, engine: Engine, config: ExplainConfig | None = None) -> None:
        self._engine = engine
        self._finder = FactFinder(index, Resolver(index), config or ExplainConfig())

    def facts(self, target: ExplainTarget) -> ExplainRequest:
        """Collect what is known about ``target``. Blocks (index, git): call it off the event loop."""
        return self._finder.find(target)

    @asynccontextmanager
    async def stream(self, target: ExplainTarget) -> AsyncIterator[ExplanationStream]:
        """Collect facts in a thread and stream an explanation; leaving the context stops the engine.

        Raises:
            server.errors.EngineError: No engine could answer.
        """
        began = time.perf_counter()
        engine, model, outcome = "none", "", "failed"
        stages = StageTimes(metrics.STAGE_SECONDS, target.caller, tracing.begin("explanation", REQUEST_ID.get()))
        try:
            request = await asyncio.to_thread(self.facts, target)
            request = replace(request, request_id=request.request_id or REQUEST_ID.get())
            asked = time.perf_counter()
            _note(stages, "gather", asked - began)
            async with self._engine.explain(request) as deltas:
                # A ladder's stream says which of its engines answers.
                engine = str(getattr(deltas, "rung", self._engine.name))
                stream = ExplanationStream(request, deltas, engine, asked, stages)
                try:
                    yield stream
                finally:
                    stream.count()
                    model = stream.model or engine
            outcome = "ended-early" if stream.result.ended_early else "explained"
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "stopped"
            raise
        finally:
            _note(stages, "total", time.perf_counter() - began)
            stages.count(model)
            metrics.EXPLANATIONS.labels(engine, outcome).inc()


def _note(stages: StageTimes, name: str, seconds: float) -> None:
    stages.note(name, seconds)
    log.debug("%s of an explanation took %.3f ms", name, seconds * 1000)
