"""The loop that reads messages, on two pipes in the test's own process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.cli.language_server import services_factory
from server.config import DataConfig, HearthConfig
from server.errors import ConfigError
from server.lsp.server import create_server
from server.lsp.services import Assemble, Services, StartOptions
from server.lsp.session import HearthLanguageServer
from server.lsp.stdio import serve
from tests.patience import WAIT_SECONDS

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": None, "capabilities": {}}}
INITIALIZED = {"jsonrpc": "2.0", "method": "initialized", "params": {}}
SHUTDOWN = {"jsonrpc": "2.0", "id": 2, "method": "shutdown"}
EXIT = {"jsonrpc": "2.0", "method": "exit"}


@pytest.fixture
def assemble(tmp_path: Path) -> Assemble:
    return services_factory(HearthConfig(data=DataConfig(tmp_path / "data")), auto_index=False)


def framed(*messages: Any) -> bytes:
    bodies = [message if isinstance(message, bytes) else json.dumps(message).encode() for message in messages]
    return b"".join(b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies)


async def converse(
    assemble: Assemble, data: bytes, make: Callable[[Assemble], HearthLanguageServer] = create_server
) -> tuple[int, list[Any]]:
    """Send all of ``data`` at once, end the input, and return the status and what was written."""
    their_input, our_output = os.pipe()
    our_input, their_output = os.pipe()
    server = make(assemble)
    serving = asyncio.create_task(serve(server, os.fdopen(their_input, "rb", 0), os.fdopen(their_output, "wb", 0)))
    with os.fdopen(our_output, "wb", 0) as stream:
        stream.write(data)
    async with asyncio.timeout(WAIT_SECONDS):
        status = await serving
    with os.fdopen(our_input, "rb") as stream:
        written = stream.read()
    bodies = [part.partition(b"\r\n\r\n")[2] for part in written.split(b"Content-Length: ")[1:]]
    return status, [json.loads(body) for body in bodies]


async def test_exit_after_shutdown_is_success(assemble: Assemble) -> None:
    status, _ = await converse(assemble, framed(INITIALIZE, SHUTDOWN, EXIT))
    assert status == 0


async def test_exit_while_shutdown_goes_on_is_success_and_waits_for_it(assemble: Assemble) -> None:
    ended = asyncio.Event()

    async def end_slowly() -> None:
        await asyncio.sleep(0.1)
        ended.set()

    def make(assemble: Assemble) -> HearthLanguageServer:
        server = create_server(assemble)
        server.on_stop.append(end_slowly)
        return server

    status, _ = await converse(assemble, framed(INITIALIZE, SHUTDOWN, EXIT), make)
    assert status == 0
    assert ended.is_set()


async def test_exit_without_shutdown_is_a_failure(assemble: Assemble) -> None:
    status, _ = await converse(assemble, framed(INITIALIZE, EXIT))
    assert status == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Content-Length: 10\r\n\r\n{}",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 99999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"x" * 40_000,
    ],
    ids=["nothing", "half a message", "negative", "huge", "HTTP", "no line end"],
)
async def test_input_that_ends_or_is_no_protocol_ends_the_session(assemble: Assemble, data: bytes) -> None:
    status, written = await converse(assemble, framed(INITIALIZE) + data)
    assert status == 1
    assert [message["id"] for message in written] in ([], [1])


async def test_wrong_settings_are_said_and_the_session_goes_on() -> None:
    def fails(_: StartOptions) -> Services:
        raise ConfigError("hearth.toml:3: unknown key `modle`", advice="Did you mean `model`?")

    hover = {
        "jsonrpc": "2.0",
        "id": 5,
        "method": "textDocument/hover",
        "params": {"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0}},
    }
    status, written = await converse(fails, framed(INITIALIZE, INITIALIZED, hover, SHUTDOWN, EXIT))
    assert status == 0
    messages = [item["params"]["message"] for item in written if item.get("method") == "window/showMessage"]
    assert len(messages) == 1
    assert "Did you mean `model`?" in messages[0]
