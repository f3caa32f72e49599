"""The routes of ``/api/v1``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from importlib import resources
from typing import Any, Protocol

from aiohttp import web

from indexer.api import Index
from server import queries
from server.accounts import TokenScope
from server.engine.ladder import Ladder
from server.gateway.access import Visitor
from server.gateway.responses import refuse
from server.principal import Work
from server.prompt import ModelPrompts

_BASE = "/api/v1"
_ANY_EDITOR = (TokenScope.COMPLETE, TokenScope.EXPLAIN, TokenScope.SEARCH)


class LetIn(Protocol):
    """Recognises who asks."""

    def __call__(self, request: web.Request, *scopes: TokenScope) -> Visitor:
        """Return who asks, if their token is for one of ``scopes``; raises ``web.HTTPError``."""


class Api:
    """Answers scripts.

    Args:
        let_in: Recognises who asks.
        index: The read side of the index; None when it cannot be opened.
        ladder: The engines.
        prompts: How the models of the model server want to be asked; None without one.
        model: Returns the name of the model behind the best engine, as far as known.
        why: Given a user and the id of a suggestion, says what it was made of.
        threads: Where blocking work runs.
    """

    def __init__(
        self,
        let_in: LetIn,
        *,
        index: Index | None,
        ladder: Ladder,
        prompts: ModelPrompts | None,
        model: Callable[[], str],
        why: Callable[[str, str], dict[str, Any] | None],
        threads: Executor,
    ) -> None:
        self._let_in = let_in
        self._index = index
        self._ladder = ladder
        self._prompts = prompts
        self._model = model
        self._why = why
        self._threads = threads
        self._description = resources.files(__package__).joinpath("openapi.json").read_bytes()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_get(f"{_BASE}/openapi.json", self._describe)
        router.add_get(f"{_BASE}/status", self._status)
        router.add_get(f"{_BASE}/repositories", self._repositories)
        router.add_get(f"{_BASE}/search", self._search)
        router.add_get(f"{_BASE}/suggestions/{{id}}", self._suggestion)

    async def _describe(self, _: web.Request) -> web.Response:
        return web.Response(body=self._description, content_type="application/json")

    async def _status(self, request: web.Request) -> web.Response:
        visitor = self._let_in(request, *_ANY_EDITOR)
        statuses = await self._in_thread(queries.repositories, self._index, visitor.readable)
        state = "failed" if self._index is None else "ready" if statuses else "empty"
        return web.json_response(
            {
                "user": visitor.user,
                "engine": queries.engine_value(self._ladder, self._model(), self._prompts),
                "index": {"state": state, "repositories": queries.repository_values(statuses)},
            }
        )

    async def _repositories(self, request: web.Request) -> web.Response:
        visitor = self._let_in(request, *_ANY_EDITOR)
        statuses = await self._in_thread(queries.repositories, self._index, visitor.readable)
        return web.json_response({"repositories": queries.repository_values(statuses)})

    async def _search(self, request: web.Request) -> web.Response:
        visitor = self._let_in(request, TokenScope.SEARCH)
        query = request.query.get("q", "")
        if not query.strip():
            refuse(400, "no-query", "There is nothing to search for.", "Give it as ?q=…")
        try:
            limit = int(request.query.get("limit", "10"))
        except ValueError:
            refuse(400, "limit", "limit is not a whole number.")
        visitor.permit(Work.SEARCH)
        search = partial(queries.search, repository=request.query.get("repository", ""), limit=limit)
        hits = await self._in_thread(search, self._index, visitor.readable, query)
        return web.json_response({"hits": [queries.hit_value(hit) for hit in hits]})

    async def _suggestion(self, request: web.Request) -> web.Response:
        visitor = self._let_in(request, *_ANY_EDITOR)
        found = self._why(visitor.user, request.match_info["id"])
        if found is None:
            refuse(404, "not-found", "No suggestion of yours in an open session has this id.")
        return web.json_response(found)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
