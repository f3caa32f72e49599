"""Serves one client on standard input and output, and ends when the client does."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from io import RawIOBase
from typing import TYPE_CHECKING

from server.event_loop import watched_event_loop
from server.lsp.connection import Connection

if TYPE_CHECKING:
    from server.lsp.session import HearthLanguageServer

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_MAX_HEADER_BYTES = 16 * 1024
_SWITCH_SECONDS = 0.001


def run_stdio(server: HearthLanguageServer) -> int:
    """Serve until the client ends, and return the exit status: 0 after an orderly ``shutdown``, 1 otherwise."""
    stdin, stdout = _claim_standard_streams()

    # Threads that search hold the interpreter for up to this long at a time; the event loop has to get its turn.
    sys.setswitchinterval(_SWITCH_SECONDS)

    async def serve_until_signal() -> int:
        serving = asyncio.ensure_future(serve(server, stdin, stdout))
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, serving.cancel)
        return await serving

    return asyncio.run(serve_until_signal())


async def serve(server: HearthLanguageServer, stdin: RawIOBase, stdout: RawIOBase) -> int:
    """Serve a client on two binary streams; a cancel ends the session, and all work has ended on return."""
    reader, stop_reading = await _reader(stdin)
    outlet = _FramedOutlet(await _writer(stdout))
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
    while not connection.ended:
        try:
            header = await reader.readuntil(b"\r\n\r\n")
            length = _content_length(header)
            body = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except (asyncio.LimitOverrunError, ValueError) as error:
            log.error("the client does not speak the protocol: %s", error)
            return
        await connection.receive(body)


class _FramedOutlet:
    """Writes each message with the header that says its length."""

    def __init__(self, writer: asyncio.StreamWriter | RawIOBase) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)

    def waiting_bytes(self) -> int:
        writer = self._writer
        return writer.transport.get_write_buffer_size() if isinstance(writer, asyncio.StreamWriter) else 0

    async def flush(self) -> None:
        if isinstance(self._writer, asyncio.StreamWriter):
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(1):
                    self._writer.close()
                    await self._writer.wait_closed()


def _content_length(header: bytes) -> int:
    for line in header.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
            if 0 <= length <= MAX_MESSAGE_BYTES:
                return length
            raise ValueError(f"a message of {length} bytes; the limit is {MAX_MESSAGE_BYTES}")
    raise ValueError("a message without Content-Length")


def _claim_standard_streams() -> tuple[RawIOBase, RawIOBase]:
    """Take the two streams for the protocol alone: whatever else prints goes to standard error."""
    stdin = os.fdopen(os.dup(0), "rb", buffering=0)
    stdout = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdout.flush()
    os.dup2(2, 1)
    return stdin, stdout


async def _reader(stdin: RawIOBase) -> tuple[asyncio.StreamReader, Callable[[], None]]:
    """Return a reader and what closes it."""
    reader = asyncio.StreamReader(limit=_MAX_HEADER_BYTES)
    mode = os.fstat(stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stdin.isatty()):
        # A regular file or /dev/null, which no event loop can wait for: read it as a whole, a session recorded for
        # debugging is small.
        reader.feed_data(await asyncio.to_thread(stdin.read))
        reader.feed_eof()
        return reader, stdin.close
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, stdin)
    return reader, transport.close


async def _writer(stdout: RawIOBase) -> asyncio.StreamWriter | RawIOBase:
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), stdout
        )
    except (ValueError, PermissionError):
        return stdout
    return asyncio.StreamWriter(transport, protocol, None, loop)
