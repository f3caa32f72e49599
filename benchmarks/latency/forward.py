"""A thin reverse proxy in front of a running engine, so that what it is asked and answers can be written down."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.latency.journal import Entry
from server.engine.vllm.sse import DONE, SseParser

_KEY = "Authorization"
_FORWARDED = (_KEY, "X-Request-Id")


class ForwardedEngine:
    """Passes ``/v1/completions`` on to a server of the OpenAI API.

    Args:
        url: Its address, up to and without ``/v1``.
        uds: Path of its Unix socket instead; may be empty.
    """

    def __init__(self, url: str, uds: str = "") -> None:
        self._url = (url or "http://localhost").rstrip("/")
        self._uds = uds
        self._session: aiohttp.ClientSession | None = None
        self._authorization: dict[str, str] = {}
        """Of Hearth's requests; what is asked directly has no key of its own."""

    async def get(self, path: str, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Pass a GET on; return status, content type and body."""
        async with self._open().get(f"{self._url}{path}", headers=self._forwarded(headers)) as response:
            return response.status, response.content_type, await response.read()

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def answer(
        self, payload: dict[str, Any], headers: Mapping[str, str], entry: Entry
    ) -> AsyncIterator[tuple[int, str, AsyncIterator[bytes]]]:
        """Ask; give status, content type and the answer as it comes, noting it in ``entry``.

        Leaving the context closes the engine's connection.
        """
        response = await self._open().post(
            f"{self._url}/v1/completions", json=payload, headers=self._forwarded(headers), allow_redirects=False
        )
        try:
            yield response.status, response.content_type, _noted(response, entry)
        finally:
            response.close()

    def _forwarded(self, headers: Mapping[str, str]) -> dict[str, str]:
        if _KEY in headers:
            self._authorization = {_KEY: headers[_KEY]}
        return self._authorization | {name: headers[name] for name in _FORWARDED if name in headers}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.UnixConnector(self._uds) if self._uds else aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        return self._session


async def _noted(response: aiohttp.ClientResponse, entry: Entry) -> AsyncIterator[bytes]:
    parser = SseParser()
    async for chunk in response.content.iter_any():
        now = time.perf_counter()
        for data in parser.feed(chunk):
            if data.strip() != DONE:
                _note(entry, now, json.loads(data))
        yield chunk


def _note(entry: Entry, now: float, event: dict[str, Any]) -> None:
    usage = event.get("usage") or {}
    entry.prompt_tokens = usage.get("prompt_tokens", entry.prompt_tokens)
    entry.tokens = usage.get("completion_tokens", entry.tokens)
    details = usage.get("prompt_tokens_details") or {}
    entry.cached_tokens = details.get("cached_tokens", entry.cached_tokens)
    for choice in event.get("choices", ()):
        if choice.get("text"):
            entry.parts.append((now, choice["text"]))
