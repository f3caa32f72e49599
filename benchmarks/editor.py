"""A headless editor that speaks LSP as plain JSON, to a language server process or over a WebSocket to a team server.

It parses nothing into protocol types and timestamps every message when its bytes arrive, so that what a benchmark
reports is the server's time and not the client's.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Any, Literal, Protocol

import aiohttp

OnPart = Callable[[float, Any], None]

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_END_SECONDS = 30.0
"""How long a session may take to end before its process is killed: a busy machine may stand still for a while."""


class ServerGone(RuntimeError):
    """The language server ended while an answer was awaited; carries the end of what it wrote to stderr."""


class ServerAnsweredError(RuntimeError):
    """The language server answered a request with an error."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error.get('message')} ({error.get('code')})")
        self.code = int(error.get("code", 0))


@dataclass(slots=True)
class Streamed:
    """An answer that arrived in parts. Times are seconds after the request was sent.

    ``parts`` holds ``(seconds, value)`` for every ``$/progress`` of the request's partial result token.
    """

    result: Any = None
    seconds: float = 0.0
    parts: list[tuple[float, Any]] = field(default_factory=list)


class Wire(Protocol):
    """Carries messages to one language server and back."""

    def send(self, body: bytes) -> None:
        """Send one message. Raises ServerGone when the server has ended."""

    def messages(self) -> AsyncIterator[bytes]:
        """Yield the server's messages until it has ended."""

    def gone(self) -> ServerGone | None:
        """Say how the server ended; ``None`` while it has not."""

    async def close(self) -> None:
        """Wait a moment for the server to end, and make sure that it has."""


class Editor:
    """One editor connected to one language server. Use :func:`open_editor` or :func:`connect_editor`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._streams: dict[str, tuple[float, list[tuple[float, Any]], OnPart | None]] = {}
        self._notified = asyncio.Condition()
        self._versions: dict[str, int] = {}
        self.notifications: list[tuple[float, str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def initialize(
        self,
        folder: Path | None,
        capabilities: dict[str, Any],
        options: dict[str, Any] | None = None,
        name: str = "hearth benchmarks",
    ) -> dict[str, Any]:
        """Shake hands and return the server's capabilities.

        Args:
            folder: The workspace, absolute.
            capabilities: The client's.
            options: Sent as ``initializationOptions.hearth``.
            name: What the editor calls itself.
        """
        folders = None if folder is None else [{"uri": folder.as_uri(), "name": folder.name}]
        answer = await self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "clientInfo": {"name": name},
                "rootUri": folders[0]["uri"] if folders else None,
                "workspaceFolders": folders,
                "capabilities": capabilities,
                **({"initializationOptions": {"hearth": options}} if options else {}),
            },
        )
        self.notify("initialized", {})
        result: dict[str, Any] = answer["capabilities"]
        return result

    def open(self, uri: str, language: str, text: str) -> None:
        """Open a document with this text as version 1."""
        self._versions[uri] = 1
        document = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, uri: str, changes: Sequence[dict[str, Any]]) -> None:
        """Send content changes as the document's next version."""
        self._versions[uri] += 1
        self.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": self._versions[uri]}, "contentChanges": list(changes)},
        )

    def insert(self, uri: str, line: int, character: int, text: str) -> None:
        """Insert text at a position (0-based, UTF-16), as typing does."""
        place = {"line": line, "character": character}
        self.change(uri, [{"range": {"start": place, "end": place}, "text": text}])

    async def complete(
        self, uri: str, line: int, character: int, *, automatic: bool = True, on_part: OnPart | None = None
    ) -> Streamed:
        """Ask for a streamed inline completion at a position (0-based, UTF-16)."""
        parameters = {
            "textDocument": {"uri": uri},
            "position": {"line": line, "character": character},
            "context": {"triggerKind": 2 if automatic else 1},
        }
        return await self.stream("textDocument/inlineCompletion", parameters, on_part)

    async def stream(self, method: str, parameters: dict[str, Any], on_part: OnPart | None = None) -> Streamed:
        """Send a request with a partial result token and collect what arrives for it.

        ``on_part(seconds, value)`` is called for each part as it arrives.
        """
        token = f"t{next(self._ids)}"
        started = time.perf_counter()
        parts: list[tuple[float, Any]] = []
        self._streams[token] = (started, parts, on_part)
        try:
            result = await self.request(method, {**parameters, "partialResultToken": token})
        finally:
            del self._streams[token]
        return Streamed(result, time.perf_counter() - started, parts)

    async def request(self, method: str, parameters: Any) -> Any:
        """Send a request and wait for its result; a cancelled wait sends ``$/cancelRequest``.

        Raises:
            ServerAnsweredError: The server answered with an error.
            ServerGone: The server ended.
        """
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (method, future)
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": parameters})
        try:
            return await future
        except asyncio.CancelledError:
            self.notify("$/cancelRequest", {"id": number})
            raise
        finally:
            self._waiting.pop(number, None)

    def notify(self, method: str, parameters: Any) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": parameters})

    async def wait_for_notification(self, method: str, accept: Any = None, timeout_s: float = 600.0) -> Any:
        """Wait until a notification of this method, for which ``accept(params)`` holds, arrived; return its params."""
        seen = 0
        async with asyncio.timeout(timeout_s):
            async with self._notified:
                while True:
                    for _, name, parameters in self.notifications[seen:]:
                        if name == method and (accept is None or accept(parameters)):
                            return parameters
                    seen = len(self.notifications)
                    if (gone := self._wire.gone()) is not None:
                        raise gone
                    await self._notified.wait()

    async def close(self) -> None:
        """Shut the session down politely, then make sure it is gone."""
        with suppress(ServerGone, ServerAnsweredError, TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self.request("shutdown", None)
                self.notify("exit", None)
        await self._wire.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    def _send(self, message: dict[str, Any]) -> None:
        self._wire.send(json.dumps(message, separators=(",", ":")).encode())

    async def _read(self) -> None:
        async for body in self._wire.messages():
            await self._dispatch(time.perf_counter(), json.loads(body))
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(self._wire.gone() or ServerGone("the language server ended"))
        async with self._notified:
            self._notified.notify_all()

    async def _dispatch(self, now: float, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            name, future = self._waiting.get(message["id"], ("", None))
            if future is None or future.done():
                return
            if "error" in message:
                future.set_exception(ServerAnsweredError(name, message["error"]))
            else:
                future.set_result(message.get("result"))
        elif "id" in message:
            # What a server asks of an editor here (progress tokens, registrations) needs no more than a yes.
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": None})
        else:
            parameters = message.get("params") or {}
            if method == "$/progress" and parameters.get("token") in self._streams:
                started, parts, on_part = self._streams[parameters["token"]]
                parts.append((now - started, parameters["value"]))
                if on_part is not None:
                    on_part(*parts[-1])
                return
            async with self._notified:
                self.notifications.append((now, method, parameters))
                self._notified.notify_all()


class ProcessWire:
    """A language server process, on its standard streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr = bytearray()
        self._draining = asyncio.create_task(self._drain_stderr())

    def send(self, body: bytes) -> None:
        """Write one message with its header."""
        writer = self._process.stdin
        if writer is None or writer.is_closing():
            raise self._ended()
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield what the process writes."""
        reader = self._process.stdout
        if reader is None:
            raise RuntimeError("the server was started without a pipe for its output")
        try:
            while True:
                header = await reader.readuntil(b"\r\n\r\n")
                length = int(header.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                yield await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._process.wait()

    def gone(self) -> ServerGone | None:
        """Say with which status the process ended, and what it wrote last."""
        return None if self._process.returncode is None else self._ended()

    async def close(self) -> None:
        """Wait for the process, and kill it if it does not end by itself."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._draining.cancel()
        await asyncio.gather(self._draining, return_exceptions=True)

    async def _drain_stderr(self) -> None:
        reader = self._process.stderr
        while reader is not None and (data := await reader.read(65536)):
            self._stderr += data
            del self._stderr[:-20_000]

    def _ended(self) -> ServerGone:
        tail = self._stderr.decode(errors="replace").strip().splitlines()[-20:]
        return ServerGone(
            f"the language server ended with status {self._process.returncode}"
            + "".join(f"\n  {line}" for line in tail)
        )


class SocketWire:
    """A WebSocket to a team server, one message a frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Literal[False]]) -> None:
        self._socket = socket
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._sending = asyncio.create_task(self._send())
        self._reason = ""

    def send(self, body: bytes) -> None:
        """Send one message in its turn."""
        if (gone := self.gone()) is not None:
            raise gone
        self._outgoing.put_nowait(body)

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield what the server sends."""
        while True:
            message = await self._socket.receive()
            if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                yield message.data
                continue
            self._reason = str(message.extra or "")
            return

    def gone(self) -> ServerGone | None:
        """Say with which code and for what reason the server closed."""
        if not self._socket.closed:
            return None
        return ServerGone(f"the team server closed the connection: {self._socket.close_code} {self._reason}".rstrip())

    async def close(self) -> None:
        """Send what waits and close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._outgoing.join()
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        await self._socket.close()

    async def _send(self) -> None:
        while True:
            body = await self._outgoing.get()
            with suppress(ConnectionError):
                await self._socket.send_frame(body, aiohttp.WSMsgType.TEXT)
            self._outgoing.task_done()


VSCODE_CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {"workDoneProgress": True},
    "workspace": {"workspaceFolders": True, "symbol": {}, "executeCommand": {}},
    "textDocument": {
        "inlineCompletion": {},
        "hover": {"contentFormat": ["markdown"]},
        "synchronization": {"didSave": True},
    },
}


@asynccontextmanager
async def open_editor(command: Sequence[str], *, cwd: Path | None = None) -> AsyncIterator[Editor]:
    """Start ``command`` as a language server on stdio and end it afterwards, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        limit=_MAX_MESSAGE_BYTES,
    )
    editor = Editor(ProcessWire(process))
    try:
        yield editor
    finally:
        await editor.close()


@asynccontextmanager
async def connect_editor(url: str, *, token: str = "", ssl: SSLContext | bool = True) -> AsyncIterator[Editor]:
    """Connect to the team server at ``url`` (``http://host:port``) and leave it afterwards, whatever happens.

    Args:
        url: Its address.
        token: Sent as ``Authorization: Bearer``; empty sends none.
        ssl: How its certificate is checked.

    Raises:
        aiohttp.WSServerHandshakeError: The server refuses.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as client:
        socket = await client.ws_connect(
            f"{url}/lsp", headers=headers, max_msg_size=_MAX_MESSAGE_BYTES, compress=0, decode_text=False, ssl=ssl
        )
        editor = Editor(SocketWire(socket))
        try:
            yield editor
        finally:
            await editor.close()
