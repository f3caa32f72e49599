"""Drives the language server through pytest-lsp's client, as two kinds of editor.

:func:`open_editor` starts the real ``hearth lsp``; :func:`open_editor_here` runs the same server in this process,
put together in the same way, which takes a fraction of the time.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attrs
from lsprotocol import types
from pygls.io_ import run_async
from pygls.protocol import default_converter
from pygls.protocol.json_rpc import JsonRPCRequestMessage
from pytest_lsp import LanguageClient, client_capabilities
from pytest_lsp.client import DEFAULT_CLIENT_FEATURES, register_lsp_features
from pytest_lsp.protocol import LanguageClientProtocol

from server.cli.language_server import services_factory
from server.config import load
from server.lsp.server import create_server
from server.lsp.stdio import serve
from tests.patience import WAIT_SECONDS

HEARTH = [sys.executable, "-P", "-m", "server.cli"]
_WITH_TOKEN = {types.TEXT_DOCUMENT_INLINE_COMPLETION, types.WORKSPACE_EXECUTE_COMMAND}


class _Protocol(LanguageClientProtocol):
    """Lets requests carry a partial result token, for which LSP's types have no field."""

    def get_message_type(self, method: str) -> Any:  # type: ignore[override]  # pygls wraps it in a cache.
        return JsonRPCRequestMessage if method in _WITH_TOKEN else super().get_message_type(method)

    def get_result_type(self, method: str) -> Any:  # type: ignore[override]  # The same.
        # lsprotocol takes a code action that carries a command for a command.
        return None if method == types.TEXT_DOCUMENT_CODE_ACTION else super().get_result_type(method)


@dataclass
class Answer:
    """A request that was sent: its partial results so far, and the future of its result."""

    id: str
    token: str
    result: asyncio.Future[Any]
    parts: list[Any] = field(default_factory=list)

    def texts(self) -> list[str]:
        """The suggestion's text in each part."""
        return [part["items"][0]["insertText"] if part["items"] else "" for part in self.parts]


@dataclass
class Editor:
    """One editor with one server. Positions are 0-based, in units of the negotiated encoding."""

    client: LanguageClient
    capabilities: types.ServerCapabilities
    answers: dict[str, Answer] = field(default_factory=dict)
    notifications: list[tuple[str, Any]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    versions: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def open(self, uri: str, text: str, language: str = "python") -> None:
        self.versions[uri] = 1
        self.client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, language, 1, text))
        )

    def close(self, uri: str) -> None:
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))

    def insert(self, uri: str, line: int, character: int, text: str) -> None:
        self.replace(uri, (line, character), (line, character), text)

    def replace(self, uri: str, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        self.versions[uri] += 1
        span = types.Range(types.Position(*start), types.Position(*end))
        change = types.TextDocumentContentChangePartial(range=span, text=text)
        identifier = types.VersionedTextDocumentIdentifier(version=self.versions[uri], uri=uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))

    def complete(self, uri: str, line: int, character: int, *, automatic: bool = False, **context: Any) -> Answer:
        """Ask for a streamed inline completion."""
        return self.send(
            types.TEXT_DOCUMENT_INLINE_COMPLETION,
            {
                "textDocument": {"uri": uri},
                "position": {"line": line, "character": character},
                "context": {"triggerKind": 2 if automatic else 1, **context},
            },
        )

    async def completed(self, uri: str, line: int, character: int) -> str:
        """Return the finished suggestion's text, empty for none."""
        async with asyncio.timeout(WAIT_SECONDS):
            result = await self.complete(uri, line, character).result
        return str(result.items[0].insert_text) if result.items else ""

    def explain(self, uri: str, start: tuple[int, int], end: tuple[int, int]) -> Answer:
        points = [{"line": line, "character": character} for line, character in (start, end)]
        argument = {"uri": uri, "range": {"start": points[0], "end": points[1]}}
        return self.send(types.WORKSPACE_EXECUTE_COMMAND, {"command": "hearth.explain", "arguments": [argument]})

    def send(self, method: str, params: dict[str, Any]) -> Answer:
        """Send a request with a partial result token."""
        self._count += 1
        identifier, token = f"request-{self._count}", f"token-{self._count}"
        future = self.client.protocol.send_request(method, {**params, "partialResultToken": token}, msg_id=identifier)
        answer = Answer(identifier, token, asyncio.wrap_future(future))
        self.answers[token] = answer
        return answer

    def cancel(self, answer: Answer) -> None:
        """Send ``$/cancelRequest``; unlike cancelling the future, the answer can still be seen to arrive."""
        self.client.protocol.notify(types.CANCEL_REQUEST, types.CancelParams(answer.id))

    async def request(self, method: str, params: Any) -> Any:
        """Send any request and wait for the result."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await asyncio.wrap_future(self.client.protocol.send_request(method, params))

    async def wait_for(self, condition: Callable[[], Any]) -> Any:
        """Wait until something that arrived makes ``condition`` true, and return its value."""
        async with asyncio.timeout(WAIT_SECONDS), self.news:
            while not (value := condition()):
                await self.news.wait()
            return value

    async def wait_for_status(self, accept: Callable[[Any], bool]) -> Any:
        """Wait until the latest ``hearth/status`` is acceptable, and return it."""

        def latest() -> Any:
            values = [value for method, value in self.notifications if method == "hearth/status"]
            return values[-1] if values and accept(values[-1]) else None

        return await self.wait_for(latest)

    async def arrived(self, method: str, params: Any) -> None:
        """Take in a notification."""
        async with self.news:
            if method == types.PROGRESS and params.token in self.answers:
                self.answers[params.token].parts.append(params.value)
            self.notifications.append((method, params))
            self.news.notify_all()


def inline_capabilities(profile: str) -> types.ClientCapabilities:
    """Return what an editor can do. pytest-lsp's profiles are older than inline completion, which both have by now."""
    capabilities = client_capabilities(profile)
    assert capabilities.text_document is not None
    capabilities.text_document.inline_completion = types.InlineCompletionClientCapabilities()
    return capabilities


PROFILES = {
    "vscode": lambda: inline_capabilities("visual_studio_code"),
    "neovim": lambda: inline_capabilities("neovim@v0.11.0"),
}


@asynccontextmanager
async def open_editor(folder: Path | None, data: Path, *options: str, **session: Any) -> AsyncIterator[Editor]:
    """Start ``hearth lsp`` with an editor, and end both. ``session`` is what :func:`_begin` takes."""
    editor = _make_editor()
    client = editor.client
    await client.start_io(*HEARTH, "lsp", "--data", str(data), "--log-file", str(data / "lsp.log"), *options)
    try:
        await _begin(editor, folder, **session)
        yield editor
    finally:
        async with asyncio.timeout(WAIT_SECONDS):
            await client.shutdown_session()
            await client.stop()  # type: ignore[no-untyped-call]  # pytest-lsp does not annotate it.


@asynccontextmanager
async def open_editor_here(
    folder: Path | None, data: Path, settings: str = "", *, auto_index: bool = False, **session: Any
) -> AsyncIterator[Editor]:
    """Run the server in this process with ``settings`` as its hearth.toml."""
    data.parent.mkdir(parents=True, exist_ok=True)
    config = data.parent / f"{data.name}.toml"
    config.write_text(settings)
    server = create_server(services_factory(load(config, data=data).config, auto_index=auto_index))
    # One way each, as pipes are: an event loop takes anything that can be read from its output for the end of it.
    their_input, our_output = socket.socketpair()
    their_output, our_input = socket.socketpair()
    with their_input, their_output:
        stdin, stdout = their_input.makefile("rb", 0), their_output.makefile("wb", 0)
    serving = asyncio.create_task(serve(server, stdin, stdout))
    _, writer = await asyncio.open_connection(sock=our_output)
    reader, unused = await asyncio.open_connection(sock=our_input)
    editor = _make_editor()
    protocol = editor.client.protocol
    protocol.set_writer(writer)
    stopped = threading.Event()
    listening = asyncio.create_task(run_async(stopped, reader, protocol))
    try:
        await _begin(editor, folder, **session)
        yield editor
    finally:
        async with asyncio.timeout(WAIT_SECONDS):
            await editor.request(types.SHUTDOWN, None)
            protocol.notify(types.EXIT, None)
            assert await serving == 0
            stopped.set()
            await listening
            for stream in (writer, unused):
                stream.close()
                await stream.wait_closed()


def _make_editor() -> Editor:
    client = LanguageClient(protocol_cls=_Protocol, converter_factory=default_converter)
    own = {types.PROGRESS, types.WINDOW_SHOW_DOCUMENT, types.WINDOW_SHOW_MESSAGE}
    features = {name: value for name, value in DEFAULT_CLIENT_FEATURES.items() if name not in own}
    register_lsp_features(client, features)
    editor = Editor(client, types.ServerCapabilities())

    def listen(method: str) -> None:
        async def take(params: Any) -> None:
            await editor.arrived(method, params)

        client.feature(method)(take)

    listen(types.PROGRESS)
    listen("hearth/status")

    async def show_message(params: types.ShowMessageParams) -> None:
        client.messages.append(params)
        await editor.arrived(types.WINDOW_SHOW_MESSAGE, params)

    async def show_document(params: types.ShowDocumentParams) -> types.ShowDocumentResult:
        client.shown_documents.append(params)
        await editor.arrived(types.WINDOW_SHOW_DOCUMENT, params)
        return types.ShowDocumentResult(success=True)

    client.feature(types.WINDOW_SHOW_MESSAGE)(show_message)
    client.feature(types.WINDOW_SHOW_DOCUMENT)(show_document)
    return editor


async def _begin(
    editor: Editor,
    folder: Path | None,
    *,
    capabilities: types.ClientCapabilities | None = None,
    initialization: dict[str, Any] | None = None,
    name: str = "",
) -> None:
    folders = None if folder is None else [types.WorkspaceFolder(folder.as_uri(), folder.name)]
    async with asyncio.timeout(WAIT_SECONDS):
        answer = await editor.client.initialize_session(
            types.InitializeParams(
                capabilities=capabilities or PROFILES["vscode"](),
                root_uri=None if folder is None else folder.as_uri(),
                workspace_folders=folders,
                initialization_options=initialization,
                client_info=types.ClientInfo(name) if name else None,
            )
        )
    editor.capabilities = answer.capabilities


def plain(value: Any) -> Any:
    """Turn what pygls makes of custom results back into plain data."""
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return attrs.asdict(value) if attrs.has(type(value)) else value
