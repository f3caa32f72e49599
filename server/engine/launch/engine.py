"""The engine over launched model servers: as the engine it wraps, but it knows why a server is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from server.config import Role
from server.engine.launch.supervisor import State, find_running
from server.types import CompletionRequest, Delta, Engine, EngineHealth, ExplainRequest


class LaunchedEngine:
    """An :class:`server.types.Engine` whose completions come from a server that a supervisor keeps up.

    Args:
        inner: Asks the server.
        directory: Of the plan, where whoever runs it writes down how it stands.
    """

    def __init__(self, inner: Engine, directory: Path) -> None:
        self._inner = inner
        self._directory = directory

    @property
    def name(self) -> str:
        """The name of the engine that asks."""
        return self._inner.name

    def complete(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Stream the text to insert at the cursor."""
        return self._inner.complete(request)

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Do ahead what comes before asking."""
        return await self._inner.prepare(request)

    def explain(self, request: ExplainRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Stream an explanation in Markdown."""
        return self._inner.explain(request)

    async def health(self) -> EngineHealth:
        """Ask whether the server is up; when it is not, say whether it is starting, was ended or never started."""
        health = await self._inner.health()
        if health.available:
            return health
        why = await asyncio.to_thread(why_away, self._directory)
        return replace(health, detail=why) if why else health

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        await self._inner.close()


def why_away(directory: Path) -> str:
    """Say why the completion server is not there; empty when its supervisor thinks that it is. Reads files."""
    running = find_running(directory)
    if running is None:
        return "No model server runs; `hearth engine up` or `hearth serve` starts it"
    for server in running.servers:
        if server.role is Role.COMPLETION:
            if server.state is State.WAITING:
                return f"The model server is down: {server.detail}"
            return "The model server is starting" if server.state is State.STARTING else ""
    return "The model server is starting"
