"""Serves one client on standard input and output, and ends when the client does."""

from __future__ import annotations

import asyncio
import logging
import signal
from io import RawIOBase
from typing import TYPE_CHECKING

from server.event_loop import prefer_event_loop, watched_event_loop
from server.lsp.connection import Connection
from server.lsp.framing import FramedOutlet, claim_standard_streams, open_reader, open_writer, read_message

if TYPE_CHECKING:
    from server.lsp.session import HearthLanguageServer

log = logging.getLogger(__name__)


def run_stdio(server: HearthLanguageServer) -> int:
    """Serve until the client ends, and return the exit status: 0 after an orderly ``shutdown``, 1 otherwise."""
    stdin, stdout = claim_standard_streams()

    prefer_event_loop()

    async def serve_until_signal() -> int:
        serving = asyncio.ensure_future(serve(server, stdin, stdout))
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, serving.cancel)
        return await serving

    return asyncio.run(serve_until_signal())


async def serve(server: HearthLanguageServer, stdin: RawIOBase, stdout: RawIOBase) -> int:
    """Serve a client on two binary streams; a cancel ends the session, and all work has ended on return."""
    reader, stop_reading = await open_reader(stdin)
    outlet = FramedOutlet(await open_writer(stdout))
    connection = Connection(server, outlet)
    try:
        async with watched_event_loop():
            await _read_messages(connection, reader)
    except asyncio.CancelledError:
        log.info("the session was ended from outside")
    finally:
        stop_reading()
        await connection.close()
        await outlet.flush()
    return 0 if connection.orderly else 1


async def _read_messages(connection: Connection, reader: asyncio.StreamReader) -> None:
    while not connection.ended and (body := await read_message(reader)) is not None:
        await connection.receive(body)
