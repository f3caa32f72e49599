"""Clients and workspaces as they should not be; the server lives on, or ends as it should."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository
from tests.e2e.editor import HEARTH
from tests.patience import WAIT_SECONDS


def framed(message: Any) -> bytes:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": None, "capabilities": {}}}


async def start(data: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *HEARTH,
        "lsp",
        "--data",
        str(data),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def read(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_SECONDS):
        header = await process.stdout.readuntil(b"\r\n\r\n")
        return json.loads(await process.stdout.readexactly(int(header.split(b"Length: ")[1].split(b"\r\n")[0])))


async def write(process: asyncio.subprocess.Process, *messages: Any) -> None:
    assert process.stdin is not None
    for message in messages:
        process.stdin.write(framed(message))
    await process.stdin.drain()


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(WAIT_SECONDS):
        return await process.wait()


async def test_nonsense_is_survived_and_bad_parameters_are_answered(tmp_path: Path) -> None:
    process = await start(tmp_path / "data")
    await write(process, INITIALIZE)
    assert (await read(process))["id"] == 1
    await write(
        process,
        b"{nonsense",
        [1, 2],
        {"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {"wrong": True}},
        {"jsonrpc": "2.0", "method": "no/such/thing", "params": None},
        {"jsonrpc": "2.0", "id": 2, "method": "textDocument/hover", "params": {"wrong": True}},
        {"jsonrpc": "2.0", "id": 3, "method": "hearth/search", "params": {"query": 5}},
        {"jsonrpc": "2.0", "id": 4, "method": "workspace/executeCommand", "params": {"command": "no.such"}},
    )
    answers: dict[int, int] = {}
    while len(answers) < 3:
        message = await read(process)
        if "id" in message:
            answers[message["id"]] = message["error"]["code"]
    assert answers == {2: -32602, 3: -32602, 4: -32602}
    await write(process, {"jsonrpc": "2.0", "id": 9, "method": "shutdown"}, {"jsonrpc": "2.0", "method": "exit"})
    assert await ended(process) == 0


async def test_a_client_that_goes_away_takes_the_server_and_its_indexing_with_it(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    files = {f"package/module_{number}.py": f"def function_{number}(): ...\n" * 200 for number in range(300)}
    repository = make_repository(files)
    process = await start(tmp_path / "data")
    folder = {"uri": repository.path.as_uri(), "name": "demo"}
    params = {**INITIALIZE["params"], "workspaceFolders": [folder]}  # type: ignore[dict-item]
    await write(process, {**INITIALIZE, "params": params}, {"jsonrpc": "2.0", "method": "initialized", "params": {}})
    while True:
        message = await read(process)
        if message.get("method") == "hearth/status" and message["params"]["index"]["state"] == "indexing":
            break
    children = await asyncio.to_thread(_children, process.pid)
    assert process.stdin is not None
    process.stdin.close()
    await ended(process)
    assert not [child for child in children if _alive(child)]


async def test_terminating_ends_it_in_order(tmp_path: Path) -> None:
    process = await start(tmp_path / "data")
    await write(process, INITIALIZE)
    await read(process)
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == 1


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found] if found else []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
