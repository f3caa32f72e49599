"""A model server that misbehaves on demand: the same surface as vLLM, on the loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

Behaviour = Callable[["FaultServer", web.Request], Awaitable[web.StreamResponse]]

MODEL = "Qwen/Qwen2.5-Coder-7B"


def event(text: str, *, finish: str | None = None, **extra: Any) -> bytes:
    """One event of ``/v1/completions``."""
    payload = {"choices": [{"index": 0, "text": text, "finish_reason": finish}], **extra}
    return f"data: {json.dumps(payload)}\n\n".encode()


def chat_event(content: str | None, *, finish: str | None = None) -> bytes:
    """One event of ``/v1/chat/completions``."""
    delta = {"role": "assistant"} if content is None else {"content": content}
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': finish}]})}\n\n".encode()


DONE = b"data: [DONE]\n\n"


@dataclass
class FaultServer:
    """What happened at the server, and what it does with the next request.

    Attributes:
        url: Its address.
        behaviour: Answers POSTs.
        described: What it says of each of its models besides the name.
        requests: Bodies of POSTs, in order.
        headers: Their headers.
        connections: How many connections were opened.
        closed: Set when a client has closed its connection during an answer.
        release: Set at the end; behaviours that hang wait for it.
    """

    url: str = ""
    behaviour: Behaviour | None = None
    health_status: int = 200
    models: tuple[str, ...] = (MODEL,)
    described: dict[str, Any] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def post(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.headers.append(request.headers)
        self.peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        assert self.behaviour is not None
        self.started.set()
        try:
            return await self.behaviour(self, request)
        except asyncio.CancelledError:
            self.closed.set()
            raise
        except ConnectionResetError:
            # Who has gone gets no answer; an error would be logged with all that stands on the stack.
            self.closed.set()
            return web.Response()

    def forget(self) -> None:
        """Drop what was noted of the requests so far."""
        self.requests.clear()
        self.headers.clear()
        self.peers.clear()

    async def health(self, _request: web.Request) -> web.Response:
        return web.Response(status=self.health_status)

    async def list_models(self, request: web.Request) -> web.Response:
        self.headers.append(request.headers)
        return web.json_response({"object": "list", "data": [{"id": name, **self.described} for name in self.models]})


@asynccontextmanager
async def fault_server(socket: Path | None = None) -> AsyncIterator[FaultServer]:
    """Run a server for the length of a context, on a free port or a Unix socket."""
    server = FaultServer()
    application = web.Application()
    application.router.add_post("/v1/completions", server.post)
    application.router.add_post("/v1/chat/completions", server.post)
    application.router.add_get("/health", server.health)
    application.router.add_get("/v1/models", server.list_models)
    runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site: web.BaseSite
    if socket is not None:
        site = web.UnixSite(runner, str(socket))
        server.url = "http://localhost"
    else:
        site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    if socket is None:
        _, port = runner.addresses[0][:2]
        server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        server.release.set()
        await runner.cleanup()


def answers(*chunks: bytes, pause: float = 0.0, content_type: str = "text/event-stream") -> Behaviour:
    """Send chunks and end properly."""

    async def behave(_server: FaultServer, request: web.Request) -> web.StreamResponse:
        response = await _begin(request, content_type)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(pause)
        await response.write_eof()
        return response

    return behave


def hangs_after(*chunks: bytes) -> Behaviour:
    """Send chunks, then nothing more; without chunks not even headers."""

    async def behave(server: FaultServer, request: web.Request) -> web.StreamResponse:
        if not chunks:
            await server.release.wait()
            return web.Response(status=500)
        response = await _begin(request)
        for chunk in chunks:
            await response.write(chunk)
        await server.release.wait()
        return response

    return behave


def repeats(chunk: bytes, pause: float) -> Behaviour:
    """Send the same chunk again and again, until the client leaves."""

    async def behave(_server: FaultServer, request: web.Request) -> web.StreamResponse:
        response = await _begin(request)
        while True:
            await response.write(chunk)
            await asyncio.sleep(pause)

    return behave


def closes_after(*chunks: bytes) -> Behaviour:
    """Send chunks, then drop the connection; without chunks before any headers."""

    async def behave(_server: FaultServer, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if chunks:
            response = await _begin(request)
            for chunk in chunks:
                await response.write(chunk)
        assert request.transport is not None
        request.transport.abort()
        return response

    return behave


def refuses(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer with a status."""

    async def behave(_server: FaultServer, _request: web.Request) -> web.StreamResponse:
        return web.json_response(body if body is not None else {}, status=status, headers=headers)

    return behave


async def _begin(request: web.Request, content_type: str = "text/event-stream") -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    return response
