"""The engine over launched model servers: as the engine it wraps, but it knows why a server is not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from server.config import Role
from server.engine.launch.supervisor import ServerStatus, State, find_running
from server.errors import EngineUnavailable
from server.types import CompletionRequest, Delta, Engine, EngineHealth, ExplainRequest

_Answer = AbstractAsyncContextManager[AsyncIterator[Delta]]


class LaunchedEngine:
    """An :class:`server.types.Engine` whose answers come from servers that a supervisor keeps up.

    Args:
        inner: Asks the servers.
        directory: Of the plan, where whoever runs it writes down how it stands.
    """

    def __init__(self, inner: Engine, directory: Path) -> None:
        self._inner = inner
        self._directory = directory

    @property
    def name(self) -> str:
        """The name of the engine that asks."""
        return self._inner.name

    def complete(self, request: CompletionRequest) -> _Answer:
        """Stream the text to insert at the cursor."""
        return self._answer(self._inner.complete(request), Role.COMPLETION)

    async def prepare(self, request: CompletionRequest) -> _Answer:
        """Do ahead what comes before asking."""
        return self._answer(await self._inner.prepare(request), Role.COMPLETION)

    def explain(self, request: ExplainRequest) -> _Answer:
        """Stream an explanation in Markdown."""
        return self._answer(self._inner.explain(request), Role.EXPLANATION)

    async def health(self) -> EngineHealth:
        """Ask whether the server is up; when it is not, say whether it is starting, was ended or never started."""
        health = await self._inner.health()
        if health.available:
            return health
        why = await asyncio.to_thread(why_away, self._directory)
        return replace(health, detail=why.message, advice=why.advice) if why is not None else health

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        await self._inner.close()

    @asynccontextmanager
    async def _answer(self, answer: _Answer, role: Role) -> AsyncIterator[AsyncIterator[Delta]]:
        async with aclosing(self._deltas(answer, role)) as deltas:
            yield deltas

    async def _deltas(self, answer: _Answer, role: Role) -> AsyncGenerator[Delta]:
        try:
            async with answer as deltas:
                async for delta in deltas:
                    yield delta
        except EngineUnavailable as error:
            why = await asyncio.to_thread(why_away, self._directory, role)
            if why is None:
                raise
            raise why from error


def why_away(directory: Path, role: Role = Role.COMPLETION) -> EngineUnavailable | None:
    """Say why the server that completes or explains is not there; None when its supervisor thinks that it is.

    Reads files.
    """
    running = find_running(directory)
    if running is None:
        return EngineUnavailable("No model server runs; `hearth engine up` or `hearth serve` starts it")
    servers = {server.role: server for server in running.servers}
    # The model for completions explains as well where no other one does.
    return _why_not_ready(servers.get(role) or servers.get(Role.COMPLETION))


def _why_not_ready(server: ServerStatus | None) -> EngineUnavailable | None:
    if server is None:
        return EngineUnavailable("The model server is starting")
    log = f"Its log is {server.log}."
    if server.state is State.WAITING:
        return EngineUnavailable(f"The model server is down: {server.detail}", advice=log)
    if server.state is State.STARTING:
        since = f" since {time.strftime('%H:%M:%S', time.localtime(server.since))}" if server.since else ""
        return EngineUnavailable(f"The model server is starting{since}", advice=log)
    return None
