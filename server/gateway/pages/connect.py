"""How a newcomer gets Hearth into their editor: what to download from here, and what to write where."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from aiohttp import web

from server.gateway.downloads import Package, packages
from server.gateway.pages.desk import Desk, Guest

_NEOVIM_PLUGIN = "hearth.nvim.tar.gz"


class ConnectPage:
    """The page for those who have no editor connected yet.

    Args:
        desk: Renders it.
        downloads: Directory of what is handed out.
        public_url: Where editors reach the server; empty means where the browser does.
    """

    def __init__(self, desk: Desk, downloads: Path, public_url: str) -> None:
        self._desk = desk
        self._downloads = downloads
        self._public_url = public_url.rstrip("/")

    async def show(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /connect``."""
        found = await self._desk.in_thread(partial(packages, self._downloads))
        return self._desk.page(
            guest,
            "connect.html",
            here="/connect",
            url=self._public_url or self._desk.origin(request),
            packages=found,
            extension=_newest(found, ".vsix"),
            command=_newest(found, ".whl"),
            plugin=next((one for one in found if one.name == _NEOVIM_PLUGIN), None),
        )


def _newest(found: list[Package], ending: str) -> Package | None:
    return max((one for one in found if one.name.endswith(ending)), key=lambda one: one.modified, default=None)
