"""``hearth/status``: which engine answers, and how fresh the index is; told when it changes, and when asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from indexer.errors import IndexerError
from indexer.types import RepositoryStatus
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
                "engine": {"rung": Rung.QUIET.value, "detail": "Hearth could not start", "model": ""},
                "index": {"state": "failed", "repositories": []},
            }
        try:
            known = await self._server.in_thread(services.index.repositories) if services.index else []
        except IndexerError as error:
            log.warning("the state of the index cannot be read: %s", error)
            known = []
        readable = services.principal.readable
        repositories = [repository for repository in known if readable is None or repository.name in readable]
        ladder = services.ladder
        return {
            "engine": {
                "rung": ladder.rung.value,
                "detail": ladder.detail,
                "model": self._model if ladder.rung is Rung.VLLM else "",
            },
            "index": {"state": self._index_state(repositories), "repositories": _rows(repositories)},
        }

    def _index_state(self, repositories: list[RepositoryStatus]) -> str:
        if self.indexing:
            return "indexing"
        if self.failed:
            return "failed"
        return "ready" if repositories else "empty"


def _rows(repositories: list[RepositoryStatus]) -> list[dict[str, Any]]:
    return [
        {
            "name": repository.name,
            "ref": ref.ref,
            "commit": ref.commit,
            "state": ref.state.value,
            "files": ref.files,
            "chunks": ref.chunks,
            "behind": ref.behind,
        }
        for repository in repositories
        for ref in repository.refs
    ]
