"""Messages on standard streams: each with a header that says its length."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from io import RawIOBase

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_MAX_HEADER_BYTES = 16 * 1024


async def read_message(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next message; ``None`` when there is none any more, or what comes is not the protocol."""
    try:
        header = await reader.readuntil(b"\r\n\r\n")
        return await reader.readexactly(_content_length(header))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (asyncio.LimitOverrunError, ValueError) as error:
        log.error("the client does not speak the protocol: %s", error)
        return None


class FramedOutlet:
    """Writes each message with the header that says its length."""

    def __init__(self, writer: asyncio.StreamWriter | RawIOBase) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Send one message."""
        self._writer.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)

    def waiting_bytes(self) -> int:
        """Return how much the client has not read yet."""
        writer = self._writer
        return writer.transport.get_write_buffer_size() if isinstance(writer, asyncio.StreamWriter) else 0

    async def flush(self) -> None:
        """Let the client read what was written, for a moment, and close."""
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


def claim_standard_streams() -> tuple[RawIOBase, RawIOBase]:
    """Take the two streams for the protocol alone: whatever else prints goes to standard error."""
    stdin = os.fdopen(os.dup(0), "rb", buffering=0)
    stdout = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdout.flush()
    os.dup2(2, 1)
    return stdin, stdout


async def open_reader(stdin: RawIOBase) -> tuple[asyncio.StreamReader, Callable[[], None]]:
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


async def open_writer(stdout: RawIOBase) -> asyncio.StreamWriter | RawIOBase:
    """Return what writes to a stream; a regular file is written to directly."""
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), stdout
        )
    except (ValueError, PermissionError):
        return stdout
    return asyncio.StreamWriter(transport, protocol, None, loop)
