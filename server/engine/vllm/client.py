"""HTTP to one model server: sessions, deadlines by stage, streams that close with their context."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from server.correlation import usable_request_id
from server.engine.vllm.failures import from_client, from_event, from_status
from server.engine.vllm.sse import DONE, SseParser
from server.errors import EngineProtocolError, EngineTimeout

_log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 4.0
"""Below the 5 s after which vLLM closes idle connections, so that we rarely write into a closed one."""

_END_SECONDS = 0.02
"""How long the end of an answer is waited for after its last event."""

_MAX_ERROR_BYTES = 64_000
_MAX_DOCUMENT_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each stage of one stream may take, in seconds."""

    first_token: float
    between_tokens: float
    total: float


class ModelServerClient:
    """Talks to one address. Opens its session with the first request, in the event loop of that request.

    Args:
        url: Address up to and without ``/v1``.
        uds: Path of a Unix socket that replaces host and port; may be empty.
        api_key: Sent as a bearer token; never appears in an error or a log.
        connect_seconds: How long connecting may take.
        connections: Most open connections.
        use_proxy: Whether to honour the proxy variables of the environment.
    """

    def __init__(
        self,
        url: str,
        *,
        uds: str = "",
        api_key: str = "",
        connect_seconds: float = 1.0,
        connections: int = 64,
        use_proxy: bool = False,
    ) -> None:
        self._url = (url or "http://localhost").rstrip("/")
        self._uds = uds
        self._api_key = api_key
        self._connect_seconds = connect_seconds
        self._connections = connections
        self._use_proxy = use_proxy
        self._session: aiohttp.ClientSession | None = None

    @property
    def server(self) -> str:
        """The address, for messages."""
        return f"unix:{self._uds}" if self._uds else self._url

    async def get_json(self, path: str, *, timeout_seconds: float) -> tuple[int, Any]:
        """GET a small document; return the status and the parsed body (None when it is not JSON).

        Raises:
            EngineError: The server did not answer.
        """
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._open().get(f"{self._url}{path}", allow_redirects=False) as response,
            ):
                body = await _read_at_most(response, _MAX_DOCUMENT_BYTES)
        except aiohttp.ClientError as error:
            raise from_client(error, server=self.server) from error
        except TimeoutError as error:
            raise EngineTimeout(
                f"The model server at {self.server} did not answer within {timeout_seconds:g} s",
                advice="It is overloaded or hangs; see its own log.",
            ) from error
        except OSError as error:
            raise from_client(error, server=self.server) from error
        try:
            return response.status, json.loads(body)
        except (ValueError, RecursionError):
            return response.status, None

    @asynccontextmanager
    async def stream(
        self, path: str, body: bytes, deadlines: Deadlines, *, request_id: str = ""
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """POST a body of JSON and stream the JSON objects of the answer's events until ``[DONE]``.

        Entering waits until the server has accepted the request. ``request_id`` is how the server's log names it.

        Leaving the context, for whatever reason, closes the connection: that is what makes vLLM stop generating.

        Raises:
            EngineError: On entering or while iterating.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        end = started + deadlines.total
        first_token_at = min(started + deadlines.first_token, end)
        response = await self._post(path, body, first_token_at, usable_request_id(request_id))
        events = self._events(response, deadlines, first_token_at, end)
        try:
            yield events
        finally:
            # Not release(): that would read on to keep the connection for the next request.
            response.close()
            await events.aclose()

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = (
                aiohttp.UnixConnector(self._uds, limit=self._connections, keepalive_timeout=_KEEP_ALIVE_SECONDS)
                if self._uds
                else aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_KEEP_ALIVE_SECONDS)
            )
            headers = {"User-Agent": "hearth"}
            if self._api_key:
                headers["Authorization"] = f"Bearer {self._api_key}"
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=headers,
                # Every stage has its own deadline; the client's overall one would end long explanations.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
                trust_env=self._use_proxy and not self._uds,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _post(self, path: str, body: bytes, deadline: float, request_id: str) -> aiohttp.ClientResponse:
        _log.debug("request %s to %s%s", request_id, self.server, path)
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._post_once_more_when_disconnected(path, body, request_id)
                if response.status == HTTPStatus.OK:
                    return response
                try:
                    said = await _read_at_most(response, _MAX_ERROR_BYTES)
                finally:
                    response.close()
        except aiohttp.ClientError as error:  # first: that connecting took too long is a TimeoutError as well
            raise from_client(error, server=self.server) from error
        except TimeoutError as error:
            raise self._late("send its first token") from error
        except OSError as error:
            raise from_client(error, server=self.server) from error
        raise from_status(response.status, said, response.headers, server=self.server, secret=self._api_key)

    async def _post_once_more_when_disconnected(
        self, path: str, body: bytes, request_id: str
    ) -> aiohttp.ClientResponse:
        """POST; when an idle connection turns out to be closed, once more on another one."""

        async def post() -> aiohttp.ClientResponse:
            return await self._open().post(
                f"{self._url}{path}",
                data=body,
                headers={
                    "X-Request-Id": request_id,
                    "Content-Type": "application/json",
                    "Accept": "text/event-stream",
                },
                allow_redirects=False,
            )

        try:
            return await post()
        except (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError):
            return await post()

    async def _events(
        self, response: aiohttp.ClientResponse, deadlines: Deadlines, first_token_at: float, end: float
    ) -> AsyncGenerator[dict[str, Any]]:
        if response.content_type != "text/event-stream":
            raise EngineProtocolError(
                f"The model server at {self.server} answered with {response.content_type}, not with a stream",
                advice="Check that `url` in [engine.vllm] is a server of the OpenAI API.",
            )
        clock = asyncio.get_running_loop().time
        parser = SseParser()
        deadline = first_token_at
        began = False
        while True:
            try:
                async with asyncio.timeout_at(min(deadline, end)):
                    chunk = await response.content.readany()
            except aiohttp.ClientError as error:
                raise from_client(error, server=self.server) from error
            except TimeoutError as error:
                late = "finish" if clock() >= end else "go on" if began else "send its first token"
                raise self._late(late) from error
            except OSError as error:
                raise from_client(error, server=self.server) from error
            for data in parser.feed(chunk) if chunk else parser.close():
                if data.strip() == DONE:
                    await _read_end(response)
                    return
                yield self._event(data)
                # Only an event counts as a sign of life; comments that keep the connection open do not.
                began = True
                deadline = clock() + deadlines.between_tokens
            if not chunk:
                return

    def _event(self, data: str) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise EngineProtocolError(
                f"The model server at {self.server} sent an event that is not JSON", advice="See the server's own log."
            ) from error
        if not isinstance(value, dict):
            raise EngineProtocolError(f"The model server at {self.server} sent an event that is not an object")
        if value.get("error") or value.get("object") == "error":
            raise from_event(value.get("error") or value, server=self.server, secret=self._api_key)
        return value

    def _late(self, what: str) -> EngineTimeout:
        return EngineTimeout(
            f"The model server at {self.server} did not {what} in time",
            advice="It is overloaded or hangs; the deadlines are in [engine.vllm] of hearth.toml.",
        )


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return an object as the JSON of a request."""
    return json.dumps(payload, separators=(",", ":")).encode()


async def _read_end(response: aiohttp.ClientResponse) -> None:
    """Read the end of the answer, when it is there already, so that the connection can serve the next request."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_END_SECONDS):
            while await response.content.readany():
                pass


async def _read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size >= limit:
            break
    return b"".join(parts)[:limit]
