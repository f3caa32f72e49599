"""Speaks HTTP over one connection, and says of what cannot be read in the form of every answer that it cannot."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from server.gateway.crowd import Place
from server.gateway.responses import SECURITY_HEADERS, STRICT_TRANSPORT, error_body


class Connection(web.RequestHandler):
    """aiohttp's own, which is asked for no more than this leaves out.

    Args:
        server: Handles the requests.
        place: What the connection takes of the room for its address.
        idle_seconds: How long it may be idle, or take for the head of a request.
    """

    __slots__ = ("_place",)

    def __init__(self, server: web.Server, place: Place, idle_seconds: float) -> None:
        # Without this, somebody who sends the head of a request byte by byte would hold a connection for ever.
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=idle_seconds,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp's own runner turns it off
        )
        self._place = place

    def let_in(self) -> None:
        """Count the connection for its user from now on, and not for its address."""
        self._place.leave()

    def data_received(self, data: bytes) -> None:
        """Read on; whoever waits for a body learns at once when the rest of it cannot be read."""
        super().data_received(data)
        if not self._messages or not isinstance(error := getattr(self._messages[-1][0], "exc", None), Exception):
            return
        waiting = self._messages[-2][1] if len(self._messages) > 1 else None
        if waiting is None and self._current_request is not None:
            waiting = self._current_request.content
        if waiting is not None and not waiting.is_eof() and waiting.exception() is None:
            waiting.set_exception(web.RequestPayloadError(type(error).__name__))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave the place when nothing is done for the connection any more."""
        working = self._task_handler
        super().connection_lost(exc)
        if working is None or working.done():
            self._place.leave()
        else:
            working.add_done_callback(lambda _: self._place.leave())

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what never became a request; nothing of it is in there."""
        super().handle_error(request, status, exc, message)
        unreadable = isinstance(exc, HttpProcessingError)
        said = "This is no request that can be read." if unreadable else "The server failed."
        headers = SECURITY_HEADERS | (STRICT_TRANSPORT if self.ssl_context is not None else {})
        answer = web.json_response(error_body("http", said), status=status, headers=headers)
        answer.force_close()
        return answer
