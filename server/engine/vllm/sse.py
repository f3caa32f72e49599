"""Server-sent events, as far as model servers use them: only ``data`` matters.

Source: the HTML standard, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import json
import re

from server.errors import EngineProtocolError

DONE = "[DONE]"
"""The payload that ends a stream of the OpenAI API."""

MAX_EVENT_BYTES = 1_000_000
"""A longer event is not a token; refusing it keeps memory flat whatever the server sends."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SseParser:
    """Turns the bytes of a stream, cut anywhere, into the payloads of its events.

    Some servers leave out the blank line after an event: a ``data`` line that follows a payload which is already whole
    starts the next event.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._pending: list[str] = []
        self._pending_bytes = 0
        self._after_carriage_return = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """Take more bytes and return the payloads they complete.

        Raises:
            EngineProtocolError: An event is larger than the limit, or not UTF-8.
        """
        if self._after_carriage_return and chunk:
            # A carriage return at the end of the last chunk has ended its line; a line feed now belongs to it.
            chunk = chunk.removeprefix(b"\n")
            self._after_carriage_return = False
        self._buffer += chunk
        if self._at_start:
            if len(self._buffer) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(self._buffer):
                return []
            if self._buffer.startswith(_BYTE_ORDER_MARK):
                del self._buffer[: len(_BYTE_ORDER_MARK)]
            self._at_start = False
        payloads: list[str] = []
        start = 0
        for end in _LINE_END.finditer(self._buffer, self._scanned):
            self._line(bytes(self._buffer[start : end.start()]), payloads)
            start = end.end()
        if start:
            self._after_carriage_return = start == len(self._buffer) and self._buffer[-1:] == b"\r"
            del self._buffer[:start]
        self._scanned = len(self._buffer)
        self._check_size(len(self._buffer))
        return payloads

    def close(self) -> list[str]:
        """Return what the end of the stream completes: a last event without its blank line."""
        payloads: list[str] = []
        if self._buffer:
            self._line(bytes(self._buffer), payloads)
            self._buffer.clear()
            self._scanned = 0
        self._dispatch(payloads)
        return payloads

    def _line(self, line: bytes, payloads: list[str]) -> None:
        if not line:
            self._dispatch(payloads)
            return
        self._check_size(len(line))
        name, _, value = line.partition(b":")
        if name != b"data":
            return  # a comment (empty name), an id, an event name, a retry time
        try:
            text = value.removeprefix(b" ").decode()
        except UnicodeDecodeError as error:
            raise EngineProtocolError(
                "The model server sent an event that is not UTF-8", advice="Check what listens at that address."
            ) from error
        if self._pending and _is_whole("\n".join(self._pending)):
            self._dispatch(payloads)
        self._pending.append(text)
        self._pending_bytes += len(value)
        self._check_size(self._pending_bytes)

    def _dispatch(self, payloads: list[str]) -> None:
        if self._pending:
            payload = "\n".join(self._pending)
            if payload.strip():
                payloads.append(payload)
        self._pending.clear()
        self._pending_bytes = 0

    def _check_size(self, size: int) -> None:
        if size > self._max:
            raise EngineProtocolError(
                f"The model server sent an event of more than {self._max:,} bytes",
                advice="Check that a model server listens at that address, not something else.",
            )


def _is_whole(payload: str) -> bool:
    if payload.strip() == DONE:
        return True
    try:
        json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return True
