"""A model server whose every token a test decides on: the OpenAI API on the loopback, in the test's own process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.patience import WAIT_SECONDS

MODEL = "qwen2.5-coder-test"


@dataclass
class Call:
    """One request for text. ``closed`` is set when the client went away before the end."""

    prompt: str
    temperature: float = 0.0
    model: str = MODEL
    transport: asyncio.Transport | None = None
    tokens: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, *tokens: str | None) -> None:
        """Send tokens; ``None`` ends the text."""
        for token in tokens:
            self.tokens.put_nowait(token)

    def break_off(self) -> None:
        """Close the connection in the middle of the text, as a server does that dies."""
        assert self.transport is not None
        self.transport.abort()


class ModelServer:
    """Answers ``/health`` and ``/v1/models``, and requests for text, which wait in ``calls`` and ``chats``.

    Args:
        counts: Whether it says how many tokens a text has, when it is asked to.
        adapters: Names of more models that it lists.
    """

    def __init__(self, *, counts: bool = False, adapters: Sequence[str] = ()) -> None:
        self._counts = counts
        self._listed = (MODEL, *adapters)
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self.chats: asyncio.Queue[Call] = asyncio.Queue()
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def next_call(self) -> Call:
        """Wait for the next request."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.calls.get()

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in self._listed]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = await request.json()
        call = Call(str(body["prompt"]), float(body["temperature"]), body["model"])
        return await _answer(request, call, self.calls, lambda text: {"text": text}, counts=self._counts)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = await request.json()
        call = Call("\n".join(str(message["content"]) for message in body["messages"]), model=body["model"])
        return await _answer(request, call, self.chats, lambda text: {"delta": {"content": text}}, counts=self._counts)


@asynccontextmanager
async def running_model_server(*, counts: bool = False) -> AsyncIterator[ModelServer]:
    server = ModelServer(counts=counts)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def _answer(
    request: web.Request,
    call: Call,
    calls: asyncio.Queue[Call],
    text: Callable[[str], dict[str, Any]],
    *,
    counts: bool,
) -> web.StreamResponse:
    """Stream what the test writes into ``call``, which is put into ``calls``."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    call.transport = request.transport
    calls.put_nowait(call)
    written = 0
    try:
        while (token := await call.tokens.get()) is not None:
            written += 1
            usage = {"usage": {"prompt_tokens": len(call.prompt), "completion_tokens": written}} if counts else {}
            await _send(response, {"choices": [{"index": 0, **text(token), "finish_reason": None}], **usage})
        await _send(response, {"choices": [{"index": 0, **text(""), "finish_reason": "stop"}]})
        await response.write(b"data: [DONE]\n\n")
        call.finished.set()
    except (asyncio.CancelledError, ConnectionError):
        call.closed.set()
        raise
    return response


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps({"id": "c", "model": MODEL, **event}).encode() + b"\n\n")
