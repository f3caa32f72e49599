"""``/downloads/``: the editors' plugins, so that nobody needs another source for them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from server.gateway.responses import refuse

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.(?:vsix|zip|tar\.gz|whl)")


@dataclass(frozen=True, slots=True)
class Package:
    """A file that is handed out. ``size`` is in bytes, ``modified`` in seconds since the epoch."""

    name: str
    size: int
    modified: float


def packages(directory: Path) -> list[Package]:
    """List what lies directly in a directory, which need not be there, and may be handed out, by name."""
    try:
        files = [file for file in directory.iterdir() if file.is_file() and not file.is_symlink()]
        found = [(file.name, file.stat()) for file in files if _NAME.fullmatch(file.name)]
    except OSError:
        return []
    return sorted((Package(name, stat.st_size, stat.st_mtime) for name, stat in found), key=lambda one: one.name)


class Downloads:
    """Hands out the packages that lie directly in one directory, to anybody: there is nothing of the company in them.

    Args:
        directory: It need not be there.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_get("/downloads/", self._list)
        router.add_get("/downloads/{name}", self._file)

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"files": await asyncio.to_thread(self._names)})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in await asyncio.to_thread(self._names):
            refuse(404, "not-found", "There is no such file.", "GET /downloads/ lists them.")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.FileResponse(self._directory / name, headers=headers)

    def _names(self) -> list[str]:
        return [package.name for package in packages(self._directory)]
