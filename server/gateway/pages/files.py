"""``/static/``: the few files that pages load, its own and the script that draws charts."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

from server.gateway.pages.drawing import Drawing
from server.gateway.responses import refuse

_FILES = {
    "charts.css": "text/css",
    "charts.js": "text/javascript",
    "hearth.css": "text/css",
    "live.js": "text/javascript",
}
_OWN = "private, max-age=3600"
_UNCHANGING = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    content_type: str
    plain: bytes
    packed: bytes
    tag: str
    lasting: str


class Files:
    """Hands them out to anybody: there is nothing of the company in them.

    Args:
        drawing: The script that draws charts, if there is one.
    """

    def __init__(self, drawing: Drawing | None) -> None:
        self._drawing = drawing
        self._read: dict[str, _File] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_get("/static/{name}", self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._read:
            self._read[name] = await asyncio.to_thread(self._load, name)
        file = self._read[name]
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        tag = f"{file.tag}-gzip" if packed else file.tag
        headers = {"Cache-Control": file.lasting, "ETag": f'"{tag}"', "Vary": "Accept-Encoding"}
        if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        body = file.packed if packed else file.plain
        return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)

    def _load(self, name: str) -> _File:
        if name in _FILES:
            plain = resources.files(__package__).joinpath("static", name).read_bytes()
            content_type, lasting = _FILES[name], _OWN
        elif self._drawing is not None and name == self._drawing.name:
            plain = self._drawing.path.read_bytes()
            content_type, lasting = "text/javascript", _UNCHANGING
        else:
            refuse(404, "not-found", "There is no such file.")
        return _File(content_type, plain, gzip.compress(plain, 6), hashlib.sha256(plain).hexdigest()[:16], lasting)
