"""Explains code: collects facts, lets an engine write, and lets only citations through that exist."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from indexer.api import Index
from server.config import ExplainConfig
from server.context.resolution import Resolver
from server.explain.citations import CitationFilter, citations_of
from server.explain.facts import FactFinder
from server.explain.values import ExplainTarget, Explanation
from server.types import Delta, Engine, ExplainRequest


class ExplanationStream:
    """An explanation while it is written: iterate once for the deltas, then read :attr:`result`."""

    def __init__(self, request: ExplainRequest, deltas: AsyncIterator[Delta], engine: str) -> None:
        self.request = request
        """The code and the facts that the engine was given."""
        self._deltas = deltas
        self._engine = engine
        self._filter = CitationFilter(citations_of(request.facts))
        self._shown: list[str] = []

    async def __aiter__(self) -> AsyncIterator[str]:
        async for delta in self._deltas:
            shown = self._filter.feed(delta.text)
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
        return Explanation("".join(self._shown), self._filter.cited, self._engine)


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
        request = await asyncio.to_thread(self.facts, target)
        async with self._engine.explain(request) as deltas:
            # A ladder's stream says which of its engines answers.
            name = str(getattr(deltas, "rung", self._engine.name))
            yield ExplanationStream(request, deltas, name)
