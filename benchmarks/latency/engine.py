"""The engine as the benchmark's own process sees it: starts the process that records it, and asks it directly."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp

from benchmarks.latency.journal import RAW, Entry, Truth
from benchmarks.latency.model_server import ORIGIN_HEADER
from server.engine.vllm.sse import DONE, SseParser

RAW_SALT = "raw"
_QUERIES, _HITS = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"


@dataclass(slots=True)
class RawAnswer:
    """One prompt of Hearth's, asked directly. Times are ``time.perf_counter``.

    Attributes:
        session: The typing session.
        position: How many characters of its text were typed.
        sent: When it was asked.
        arrivals: When events with text came.
        first: When the first of them came that shows something, as white space does not; 0 when none did.
        ended: When the answer ended.
    """

    session: int
    position: int
    sent: float
    arrivals: list[float] = field(default_factory=list)
    first: float = 0.0
    ended: float = 0.0


class RecordedEngine:
    """The engine behind the process that writes down what it is asked.

    Args:
        url: Where that process listens.
        http: For requests.
    """

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def begin(self, truth: Truth) -> None:
        """Say what a session is about to type."""
        value = {"before": truth.before, "typed": truth.typed}
        async with self._http.put(f"{self.url}/bench/sessions/{truth.session}", json=value) as response:
            response.raise_for_status()

    async def end(self, session: int) -> None:
        """Say that a session has ended."""
        async with self._http.delete(f"{self.url}/bench/sessions/{session}") as response:
            response.raise_for_status()

    async def entries(self) -> list[Entry]:
        """Return all that was asked so far."""
        async with self._http.get(f"{self.url}/bench/entries") as response:
            text = await response.text()
        return [Entry.from_json(json.loads(line)) for line in text.splitlines()]

    async def asked(self) -> int:
        """Return how often Hearth has asked."""
        async with self._http.get(f"{self.url}/bench/asked") as response:
            return int(await response.text())

    async def ask_again(self, session: int, position: int) -> RawAnswer | None:
        """Ask what Hearth asked at a place, and read the answer to its end; ``None`` when Hearth asked nothing there.

        The prompts go out under a cache salt of their own, in the order in which Hearth sent them, so that the prefix
        cache knows as much of each as it did of Hearth's.
        """
        async with self._http.get(f"{self.url}/bench/payloads/{session}/{position}") as response:
            if response.status != HTTPStatus.OK:
                return None
            payload: dict[str, Any] = await response.json()
        payload["cache_salt"] = RAW_SALT
        parser = SseParser()
        answer = RawAnswer(session, position, time.perf_counter())
        headers = {ORIGIN_HEADER: RAW, "Accept": "text/event-stream"}
        async with self._http.post(f"{self.url}/v1/completions", json=payload, headers=headers) as response:
            response.raise_for_status()
            async for chunk in response.content.iter_any():
                now = time.perf_counter()
                for data in parser.feed(chunk):
                    text = _text(json.loads(data)) if data.strip() != DONE else ""
                    if text:
                        answer.arrivals.append(now)
                    if text.strip() and not answer.first:
                        answer.first = now
        answer.ended = time.perf_counter()
        return answer

    async def cached_prompt_tokens(self) -> tuple[float, float] | None:
        """Return vLLM's own (queries, hits) of its prefix cache in tokens; ``None`` for an engine that does not say."""
        async with self._http.get(f"{self.url}/metrics") as response:
            text = await response.text() if response.status == HTTPStatus.OK else ""
        return (_sum(text, _QUERIES), _sum(text, _HITS)) if _QUERIES in text else None


@asynccontextmanager
async def recorded_engine(arguments: Sequence[str]) -> AsyncIterator[RecordedEngine]:
    """Start ``benchmarks.latency.model_server`` with ``arguments`` for the length of a context."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.latency.model_server", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the engine's process was started without pipes")
    try:
        url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise SystemExit(f"the engine's process ended with status {await process.wait()}")
        timeout = aiohttp.ClientTimeout(total=600)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
            yield RecordedEngine(url, http)
    finally:
        process.stdin.close()
        await process.wait()


def _text(event: dict[str, Any]) -> str:
    return "".join(choice.get("text") or "" for choice in event.get("choices", ()))


def _sum(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)", text, re.M))
