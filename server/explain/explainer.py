"""Explains code: collects facts, lets an engine write, and lets only citations through that exist."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from indexer.api import Index
from server.config import ExplainConfig
from server.explain.values import ExplainTarget, Explanation
from server.types import Engine, ExplainRequest


class ExplanationStream:
    """An explanation while it is written: iterate for the deltas, then read :attr:`result`."""

    def __aiter__(self) -> AsyncIterator[str]:
        return self._deltas()

    async def _deltas(self) -> AsyncIterator[str]:
        yield ""

    @property
    def request(self) -> ExplainRequest:
        """The facts that the engine was given."""
        raise NotImplementedError

    @property
    def result(self) -> Explanation:
        """The whole explanation so far; complete once the iteration ended."""
        raise NotImplementedError


class Explainer:
    """Explains selections and definitions.

    Args:
        index: The index to draw facts from; ``None`` leaves what the open documents say.
        engine: Writes the text; normally the ladder.
        config: How many facts are collected.
    """

    def __init__(self, index: Index | None, engine: Engine, config: ExplainConfig | None = None) -> None:
        self._index = index
        self._engine = engine
        self._config = config or ExplainConfig()

    def facts(self, target: ExplainTarget) -> ExplainRequest:
        """Collect what is known about ``target``. Blocks (index, git): call it off the event loop."""
        raise NotImplementedError

    @asynccontextmanager
    async def stream(self, target: ExplainTarget) -> AsyncIterator[ExplanationStream]:
        """Collect facts in a thread and stream an explanation; leaving the context stops the engine.

        Raises:
            server.errors.EngineError: No engine could answer.
        """
        yield ExplanationStream()
