"""Runs the real ``hearth serve`` for tests."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from benchmarks.editor import VSCODE_CAPABILITIES, Editor, connect_editor

HEARTH = [sys.executable, "-P", "-m", "server.cli"]
WAIT_SECONDS = 30.0


@dataclass
class TeamServer:
    """A running server: where it listens and the process it is."""

    url: str
    process: asyncio.subprocess.Process

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
    process = await asyncio.create_subprocess_exec(
        *HEARTH, "serve", "--port", "0", "--data", str(data), "--config", str(config), *options,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            url = (await process.stdout.readline()).decode().strip()
        assert url, f"hearth serve ended with status {await process.wait()}"
        yield TeamServer(url, process)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(WAIT_SECONDS):
            await process.wait()


@asynccontextmanager
async def team_editor(team: TeamServer, folder: str = "shop", *, token: str = "") -> AsyncIterator[Editor]:
    """Connect an editor whose workspace is a clone of ``folder`` on a machine that the server cannot see."""
    async with connect_editor(team.url, token=token) as editor:
        await editor.initialize(remote(folder), VSCODE_CAPABILITIES)
        yield editor


def remote(repository: str) -> Path:
    """Where the editor's machine has a repository; there is nothing there on this one."""
    return Path("/home/somebody/elsewhere") / repository


def issue(authority: trustme.CA, certificate: Path, key: Path) -> None:
    """Write a certificate for this machine, and its key."""
    issued = authority.issue_cert("127.0.0.1", "localhost")
    key.write_bytes(issued.private_key_pem.bytes())
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
