"""Runs the real ``hearth serve`` for tests."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from benchmarks.editor import VSCODE_CAPABILITIES, Editor, connect_editor
from tests.patience import WAIT_SECONDS

HEARTH = [sys.executable, "-P", "-m", "server.cli"]


@dataclass
class TeamServer:
    """A running server: where it listens, the process it is and the file that its log goes to."""

    url: str
    process: asyncio.subprocess.Process
    log: Path

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Signal the process, unless it has ended, and return its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def team_server(data: Path, settings: str = "", *options: str) -> AsyncIterator[TeamServer]:
    """Start a server on the index in ``data`` with ``settings`` as its hearth.toml; end it, and show its log."""
    config = data.parent / f"{data.name}.toml"
    config.write_text(settings)
    log = data.parent / f"{data.name}.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *HEARTH, "serve", "--port", "0", "--data", str(data), "--config", str(config), *options,
            stdout=asyncio.subprocess.PIPE, stderr=stream,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            url = (await process.stdout.readline()).decode().strip()
        assert url, f"hearth serve ended with status {await process.wait()}"
        yield TeamServer(url, process, log)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(WAIT_SECONDS):
            await process.wait()
        sys.stderr.write(log.read_text())


@asynccontextmanager
async def team_editor(
    team: TeamServer, folder: str = "shop", *, token: str = "", name: str = "Visual Studio Code"
) -> AsyncIterator[Editor]:
    """Connect an editor whose workspace is a clone of ``folder`` on a machine that the server cannot see."""
    async with connect_editor(team.url, token=token) as editor:
        await editor.initialize(remote(folder), VSCODE_CAPABILITIES, name=name)
        yield editor


def remote(repository: str) -> Path:
    """Where the editor's machine has a repository; there is nothing there on this one."""
    return Path("/home/somebody/elsewhere") / repository


async def until_logged(team: TeamServer, pattern: str) -> None:
    """Wait until a line of the server's log has a match."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not re.search(pattern, team.log.read_text()):  # noqa: ASYNC110  # the server is another process
            await asyncio.sleep(0.05)


def issue(authority: trustme.CA, certificate: Path, key: Path, **validity: Any) -> None:
    """Write a certificate for this machine, and its key."""
    issued = authority.issue_cert("127.0.0.1", "localhost", **validity)
    key.write_bytes(issued.private_key_pem.bytes())
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
