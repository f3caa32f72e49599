"""``hearth/search`` and ``hearth/why``."""

from __future__ import annotations

from typing import Any

from pygls.exceptions import JsonRpcInvalidParams

from indexer.types import Scope
from server.lsp import protocol
from server.lsp.session import HearthLanguageServer

_MAX_QUERY = 2_000
_MAX_LIMIT = 100


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
        scope = Scope(repositories=frozenset({repository})) if repository else Scope()
        hits = await self._server.in_thread(self._search, query[:_MAX_QUERY], scope, max(1, min(limit, _MAX_LIMIT)))
        return {"hits": hits}

    async def why(self, params: Any) -> dict[str, Any] | None:
        """Say what a suggestion was made of."""
        identifier = params.get("id") if isinstance(params, dict) else None
        if not isinstance(identifier, str):
            raise JsonRpcInvalidParams("hearth/why takes the id of a suggestion")
        services = self._server.services
        record = services.completion.records.get(identifier) if services is not None else None
        if record is None:
            return None
        making = record.making
        return {
            "requestId": making.request_id,
            "engine": making.engine,
            "model": making.model,
            "source": making.source,
            "confidence": round(making.confidence, 4) if making.confidence >= 0 else None,
            "reuse": record.reuse.value,
            "snippets": [
                {
                    "repository": snippet.repository,
                    "path": snippet.path,
                    "commit": snippet.commit,
                    "startLine": snippet.start_line,
                    "endLine": snippet.end_line,
                    "score": round(snippet.score, 4),
                    "reason": snippet.reason.value,
                }
                for snippet in making.snippets
            ],
            "dropped": [
                {"repository": item.repository, "path": item.path, "reason": item.reason} for item in making.dropped
            ],
            "stages": making.stages | record.stages,
        }

    def _search(self, query: str, scope: Scope, limit: int) -> list[dict[str, Any]]:
        services = self._server.services
        if services is None or services.index is None:
            return []
        found = []
        for hit in services.index.search(query, scope, limit):
            value: dict[str, Any] = {
                "repository": hit.repository,
                "path": hit.path,
                "startLine": hit.start_line,
                "endLine": hit.end_line,
                "commit": hit.commit,
                "symbol": hit.symbol,
                "language": hit.language,
                "score": round(hit.score, 6),
                "text": hit.text,
            }
            uri = self._server.citation_uri(hit.repository, hit.path)
            if uri is not None:
                value["uri"] = uri
            found.append(value)
        return found
