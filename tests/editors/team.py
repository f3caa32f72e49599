"""A team's server as an editor meets it: TLS by the company's own authority, a token, and a proxy on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from server.accounts import Accounts, TokenKind, TokenScope
from tests.server.gateway.team import HEARTH, TeamServer, team_server

HOST = "hearth.example.invalid"
"""Names no machine: only who goes through the proxy reaches it."""


@dataclass(frozen=True, slots=True)
class Team:
    """What the server serves and to whom; it runs while :meth:`serving` does, always at the same place."""

    data: Path
    authority: Path
    port: int
    token: str
    token_id: str
    settings: str

    @property
    def url(self) -> str:
        """The address for editors that have no proxy."""
        return f"https://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[TeamServer]:
        """Run ``hearth serve``."""
        async with team_server(self.data, self.settings, "--port", str(self.port)) as server:
            yield server

    @contextmanager
    def kept_running(self) -> Iterator[Path]:
        """Run ``hearth serve``, and start it again whenever it ends, as a service manager does.

        Yields the file with the process id of the server.
        """
        config, pid = self.data.parent / "serve.toml", self.data.parent / "pid"
        config.write_text(self.settings)
        command = [*HEARTH, "serve", "--port", str(self.port), "--data", str(self.data), "--config", str(config)]
        ending = threading.Event()

        def start() -> subprocess.Popen[str]:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            pid.write_text(str(process.pid))
            return process

        process = start()
        assert process.stdout is not None
        assert process.stdout.readline(), f"the server ended with status {process.wait()}"

        def keep() -> None:
            nonlocal process
            while True:
                process.wait()
                assert process.stdout is not None
                process.stdout.close()
                if ending.is_set():
                    return
                process = start()

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield pid
        finally:
            ending.set()
            os.kill(int(pid.read_text()), signal.SIGTERM)
            keeper.join(30)

    def revoke(self) -> None:
        """Take the token back."""
        with Accounts(self.data) as accounts:
            accounts.revoke_token(self.token_id)

    def let_in(self) -> int:
        """Count the editors that are signed in with a browser."""
        with Accounts(self.data) as accounts:
            tokens = accounts.directory().tokens.values()
            return sum(token.kind is TokenKind.EDITOR and token.usable(time.time()) for token in tokens)

    def new_token(self) -> str:
        """Give the user another token."""
        with Accounts(self.data) as accounts:
            return accounts.add_token("ana", _SCOPES)[1]


_SCOPES = {TokenScope.COMPLETE, TokenScope.EXPLAIN, TokenScope.SEARCH}


def make_team(directory: Path, data: Path, settings: str = "") -> Team:
    """Let the user ``ana`` read everything in the index in ``data``; ``settings`` are more of hearth.toml."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1", HOST)
    files = {name: directory / f"{name}.pem" for name in ("authority", "certificate", "key")}
    authority.cert_pem.write_to_path(str(files["authority"]))
    issued.private_key_pem.write_to_path(str(files["key"]))
    files["certificate"].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    with Accounts(data) as accounts:
        accounts.add_user("ana")
        token, secret = accounts.add_token("ana", _SCOPES)
    tls = f'certificate = "{files["certificate"]}"\nkey = "{files["key"]}"\n'
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    return Team(
        data,
        files["authority"],
        port,
        secret,
        token.id,
        f"[server]\neveryone_reads = true\n[server.tls]\n{tls}{settings}",
    )


@dataclass
class Proxy:
    """A company's proxy: it knows where :data:`HOST` is, and notes who was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """Run a proxy that opens tunnels to :data:`HOST`, which is ``port`` on this machine, and to nothing else."""
    proxy = Proxy("")
    tunnels: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tunnels.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                method, target, *_ = (await reader.readuntil(b"\r\n\r\n")).decode().split()
                proxy.asked.append(f"{method} {target}")
                if (method, target) == ("CONNECT", f"{HOST}:443"):
                    await _tunnel(reader, writer, port)
                else:
                    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        finally:
            writer.close()
            tunnels.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tunnels):
            task.cancel()
        await asyncio.gather(*tunnels, return_exceptions=True)


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    there = asyncio.create_task(_copy(reader, far_writer))
    try:
        await _copy(far_reader, writer)
    finally:
        there.cancel()
        far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
