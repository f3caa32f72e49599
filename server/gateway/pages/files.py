"""``/static/``: the few files that pages load, all of them its own."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

from server.gateway.responses import refuse

_FILES = {
    "hearth.css": "text/css",
    "live.js": "text/javascript",
}
_FRESH_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class _File:
    plain: bytes
    packed: bytes


class Files:
    """Hands them out to anybody: there is nothing of the company in them."""

    def __init__(self) -> None:
        self._read: dict[str, _File] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_get("/static/{name}", self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _FILES:
            refuse(404, "not-found", "There is no such file.")
        if name not in self._read:
            self._read[name] = await asyncio.to_thread(_load, name)
        file = self._read[name]
        headers = {"Cache-Control": f"private, max-age={_FRESH_SECONDS}", "Vary": "Accept-Encoding"}
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        if packed:
            headers["Content-Encoding"] = "gzip"
        body = file.packed if packed else file.plain
        return web.Response(body=body, content_type=_FILES[name], charset="utf-8", headers=headers)


def _load(name: str) -> _File:
    plain = resources.files(__package__).joinpath("static", name).read_bytes()
    return _File(plain, gzip.compress(plain, 6))
