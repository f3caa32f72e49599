"""``hearth/status``: which engine answers, and how fresh the index is; told when it changes, and when asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from indexer.errors import IndexerError
from indexer.types import RepositoryStatus
from server import queries
from server.lsp import protocol
from server.lsp.session import HearthLanguageServer
from server.types import Rung

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 0.05


class Status:
    """Knows what to tell, and tells it once.

    Attributes:
        indexing: Repositories that are being indexed now.
        failed: Whether the last indexing run failed.
    """

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        self.indexing = 0
        self.failed = False
        self._changed = asyncio.Event()
        self._told: dict[str, Any] | None = None
        self._model = ""
        self._stop_listening: list[Callable[[], None]] = []
        server.on_stop.append(self._stop)
        server.handle(protocol.STATUS, self.status)

    def start(self) -> None:
        """Watch the engines and tell the client."""
        services = self._server.services
        if services is not None:
            self._stop_listening.append(services.ladder.changed.connect(self._rung_changed))
            if services.published is not None:
                self._stop_listening.append(services.published.connect(self.changed))
            if services.prompts is not None:
                self._stop_listening.append(services.prompts.settled.connect(self.changed))
        self._server.run_task(self._ask_engines(), "engine health")
        self._server.run_task(self._tell(), "status")
        self.changed()

    def changed(self) -> None:
        """Note that something may be different now."""
        self._changed.set()

    async def status(self, _: Any) -> dict[str, Any]:
        """Answer the request."""
        return await self._value()

    async def _stop(self) -> None:
        for stop in self._stop_listening:
            stop()

    def _rung_changed(self, rung: Rung, detail: str) -> None:
        log.info("engine: %s %s", rung.value, detail)
        self.changed()
        if rung is Rung.VLLM:
            self._server.run_task(self._ask_engines(), "engine health")

    async def _ask_engines(self) -> None:
        services = self._server.services
        if services is not None:
            health = await services.ladder.health()
            self._model = health.model
            self.changed()

    async def _tell(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            value = await self._value()
            if value != self._told:
                self._told = value
                self._server.protocol.notify(protocol.STATUS, value)
            # Several changes at once are told as one.
            await asyncio.sleep(_SETTLE_SECONDS)

    async def _value(self) -> dict[str, Any]:
        services = self._server.services
        if services is None:
            return {
                "engine": {"rung": Rung.QUIET.value, "detail": "Hearth could not start", "model": "", "tokens": ""},
                "index": {"state": "failed", "repositories": []},
            }
        readable = services.principal.readable
        try:
            repositories = await self._server.in_thread(queries.repositories, services.index, readable)
        except IndexerError as error:
            log.warning("the state of the index cannot be read: %s", error)
            repositories = []
        return {
            "engine": queries.engine_value(services.ladder, self._model, services.prompts),
            "index": {
                "state": self._index_state(repositories),
                "repositories": queries.repository_values(repositories),
            },
        }

    def _index_state(self, repositories: list[RepositoryStatus]) -> str:
        if self.indexing:
            return "indexing"
        if self.failed:
            return "failed"
        return "ready" if repositories else "empty"
