"""The search box."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from indexer.api import Index
from server import queries
from server.gateway.pages.desk import Desk, Guest
from server.principal import Work

_HITS = 20


class SearchPage:
    """Finds code in what the guest may read.

    Args:
        desk: Renders it.
        index: Where to look; None when it cannot be opened.
    """

    def __init__(self, desk: Desk, index: Index | None) -> None:
        self._desk = desk
        self._index = index

    async def show(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /search?q=…&repository=…``."""
        query, repository = request.query.get("q", ""), request.query.get("repository", "")
        readable = guest.visitor.readable
        statuses = await self._desk.in_thread(partial(queries.repositories, self._index, readable))
        hits = []
        if query.strip():
            guest.visitor.permit(Work.SEARCH)
            search = partial(queries.search, self._index, readable, query, repository=repository, limit=_HITS)
            hits = await self._desk.in_thread(search)
        return self._desk.page(
            guest,
            "search.html",
            here="/search",
            query=query,
            repository=repository,
            names=[status.name for status in statuses],
            hits=hits,
        )
