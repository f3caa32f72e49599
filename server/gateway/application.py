"""The routes of the team server."""

from __future__ import annotations

from aiohttp import web

from server.gateway.news import News
from server.gateway.sessions import Sessions
from server.principal import Owner


def make_application(sessions: Sessions, news: News) -> web.Application:
    """Put the routes together."""
    application = web.Application()

    async def lsp(request: web.Request) -> web.StreamResponse:
        return await sessions.serve(request, Owner())

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    application.router.add_get("/lsp", lsp)
    application.router.add_get("/healthz", alive)
    news.add_routes(application.router)
    return application
