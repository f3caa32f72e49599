"""News of pushes over HTTP: notices of hooks and webhooks of forges; :mod:`indexer.hook` decides what they mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from aiohttp import web

from indexer.config import WebhookSecrets
from indexer.errors import IndexerError
from indexer.hook.payload import MOST_NOTICE_BYTES
from indexer.hook.receiving import Answer, receive_notice, receive_webhook
from indexer.hook.webhooks import MOST_WEBHOOK_BYTES
from indexer.queue import Queue
from server.accounts import TokenScope
from server.gateway.api.body import refuse_departed
from server.gateway.api.routes import LetIn

_RETRY_SECONDS = "60"


class News:
    """The endpoints that hooks and forges call.

    Args:
        queue: Where the news goes.
        secrets: Where the secrets of webhooks are.
        let_in: Recognises who sends a notice, before it is read. Webhooks need no sign-in, they are signed.
        threads: Where files are read and written.
    """

    def __init__(self, queue: Queue, secrets: WebhookSecrets, let_in: LetIn, threads: Executor) -> None:
        self._queue = queue
        self._secrets = secrets
        self._let_in = let_in
        self._threads = threads

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Put the endpoints in their places."""
        router.add_post("/api/v1/hooks/push", self._push)
        router.add_post("/api/v1/webhooks/{forge}", self._webhook)

    async def _push(self, request: web.Request) -> web.Response:
        """``POST /api/v1/hooks/push``: what ``hearth hooks notify`` sends."""
        visitor = self._let_in(request, TokenScope.HOOKS)
        body = await _body(request, MOST_NOTICE_BYTES)
        refuse_departed(visitor)
        return await self._answer(lambda: receive_notice(self._queue, body, visitor.may_read))

    async def _webhook(self, request: web.Request) -> web.Response:
        """``POST /api/v1/webhooks/FORGE``: what a forge sends."""
        body = await _body(request, MOST_WEBHOOK_BYTES)
        forge, headers = request.match_info["forge"], dict(request.headers)
        return await self._answer(lambda: receive_webhook(self._queue, self._secrets, forge, headers, body))

    async def _answer(self, receive: Callable[[], Answer]) -> web.Response:
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, receive)
        except IndexerError as error:
            # The sender keeps what we cannot, and tries again.
            fields = {"error": {"code": error.code, "message": "the queue cannot be written", "advice": ""}}
            return web.json_response(fields, status=503, headers={"Retry-After": _RETRY_SECONDS})
        return web.json_response(answer.fields, status=answer.status)


async def _body(request: web.Request, most: int) -> bytes:
    """Read a body that may be larger than those of other endpoints, and never more than ``most`` bytes."""
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(most, request.content_length or 0)
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > most:
            raise web.HTTPRequestEntityTooLarge(most, len(body))
    return bytes(body)
