"""``hearth/search`` and ``hearth/why``."""

from __future__ import annotations

from typing import Any

from pygls.exceptions import JsonRpcInvalidParams

from server import queries
from server.lsp import protocol
from server.lsp.session import HearthLanguageServer
from server.principal import Work


class SearchRequests:
    """Search over the index, and the reasons of a suggestion."""

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        server.handle(protocol.SEARCH, self.search)
        server.handle(protocol.WHY, self.why)

    async def search(self, params: Any) -> dict[str, Any]:
        """Find code; see docs/protocol.md."""
        query = params.get("query") if isinstance(params, dict) else None
        if not isinstance(query, str):
            raise JsonRpcInvalidParams("hearth/search takes a query")
        repository, limit = params.get("repository"), params.get("limit", 10)
        if not isinstance(repository, str | None) or not isinstance(limit, int):
            raise JsonRpcInvalidParams("repository is a string, limit an integer")
        self._server.permit(Work.SEARCH)
        hits = await self._server.in_thread(self._search, query, repository, limit)
        return {"hits": hits}

    async def why(self, params: Any) -> dict[str, Any] | None:
        """Say what a suggestion was made of."""
        identifier = params.get("id") if isinstance(params, dict) else None
        if not isinstance(identifier, str):
            raise JsonRpcInvalidParams("hearth/why takes the id of a suggestion")
        return self._server.why(identifier)

    def _search(self, query: str, repository: str | None, limit: int) -> list[dict[str, Any]]:
        services = self._server.services
        if services is None:
            return []
        found = []
        for hit in queries.search(
            services.index, self._server.principal.readable, query, repository=repository or "", limit=limit
        ):
            value = queries.hit_value(hit)
            uri = self._server.citation_uri(hit.repository, hit.path)
            if uri is not None:
                value["uri"] = uri
            found.append(value)
        return found
