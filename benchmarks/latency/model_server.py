"""The engine's side of the benchmark as a process of its own: fixed latencies, or a proxy in front of a real engine.

``python -m benchmarks.latency.model_server`` prints its address and serves the OpenAI API there, and under ``/bench``
what the benchmark needs to know: ``PUT /bench/sessions/N`` says what is being typed, ``GET /bench/payloads/N/POSITION``
returns what Hearth sent, ``GET /bench/asked`` how often it did, ``GET /bench/entries?since=N`` all, and how it ended.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from aiohttp import web
from tokenizers import Tokenizer

from benchmarks.latency.forward import ForwardedEngine
from benchmarks.latency.journal import ABORTED, FAILED, FINISHED, HEARTH, Entry, Journal, Truth
from benchmarks.latency.timed import MODEL, TimedEngine, Timing

ORIGIN_HEADER = "X-Hearth-Benchmark"
_MAX_BODY_BYTES = 16 * 1024 * 1024


def main() -> int:
    """Serve until the standard input is closed, so that it never outlives the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency.model_server", description="A timed engine.")
    parser.add_argument("--first-ms", type=float, default=30.0)
    parser.add_argument("--token-ms", type=float, default=10.0)
    parser.add_argument("--wrong", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", type=Path, help="directory of the model's tokenizer.json")
    parser.add_argument("--forward", default="", metavar="URL", help="write down what passes to this engine instead")
    parser.add_argument("--forward-uds", default="", metavar="SOCKET")
    asyncio.run(_serve(parser.parse_args()))
    return 0


async def _serve(options: argparse.Namespace) -> None:
    journal = Journal(_decoder(options.tokenizer))
    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    _add_control(app, journal)
    if options.forward or options.forward_uds:
        forwarded = ForwardedEngine(options.forward, options.forward_uds)
        _Proxy(journal, forwarded).add_to(app)
    else:
        timing = Timing(options.first_ms / 1000, options.token_ms / 1000, options.wrong, options.seed)
        _Timed(journal, TimedEngine(timing), options.tokenizer).add_to(app)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    # What has been made until now stays; looking through it again would stop the clock of every stream.
    gc.collect()
    gc.freeze()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def _decoder(directory: Path | None) -> Callable[[Sequence[int]], str]:
    if directory is None:
        return lambda _: ""
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    return lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=False))


class _Recorded(ABC):
    """Notes how each answer ends."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def complete(self, request: web.Request) -> web.StreamResponse:
        arrived = time.perf_counter()
        payload: dict[str, Any] = await request.json()
        entry = self.journal.add(payload, request.headers.get(ORIGIN_HEADER, HEARTH), arrived)
        try:
            response = await self.answer(request, payload, entry)
        except ConnectionError:
            entry.ended, entry.outcome = time.perf_counter(), ABORTED
            return web.Response()
        except asyncio.CancelledError:
            entry.ended, entry.outcome = time.perf_counter(), ABORTED
            raise
        except Exception:
            entry.ended, entry.outcome = time.perf_counter(), FAILED
            raise
        entry.ended = time.perf_counter()
        entry.outcome = FINISHED if response.status == web.HTTPOk.status_code else FAILED
        return response

    @abstractmethod
    async def answer(self, request: web.Request, payload: dict[str, Any], entry: Entry) -> web.StreamResponse:
        """Answer a request, and note its parts in ``entry``."""


class _Timed(_Recorded):
    def __init__(self, journal: Journal, engine: TimedEngine, tokenizer: Path | None) -> None:
        super().__init__(journal)
        self._engine = engine
        self._tokenizer = tokenizer

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/completions", self.complete)

    async def answer(self, request: web.Request, payload: dict[str, Any], entry: Entry) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async with aclosing(self._engine.answer(payload, entry, self.journal.truth(entry.session))) as events:
            async for event in events:
                await response.write(event)
        return response

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, _: web.Request) -> web.Response:
        # As vLLM says it: Hearth looks for the tokenizer where the server says that the model is.
        model = {"id": MODEL, "object": "model", "owned_by": "vllm", "root": str(self._tokenizer or "")}
        return web.json_response({"object": "list", "data": [model]})


class _Proxy(_Recorded):
    def __init__(self, journal: Journal, engine: ForwardedEngine) -> None:
        super().__init__(journal)
        self._engine = engine

    def add_to(self, app: web.Application) -> None:
        for path in ("/health", "/v1/models", "/metrics"):
            app.router.add_get(path, self._get)
        app.router.add_post("/v1/completions", self.complete)
        app.on_cleanup.append(self._close)

    async def answer(self, request: web.Request, payload: dict[str, Any], entry: Entry) -> web.StreamResponse:
        async with self._engine.answer(payload, request.headers, entry) as (status, content_type, chunks):
            response = web.StreamResponse(status=status, headers={"Content-Type": content_type})
            await response.prepare(request)
            async for chunk in chunks:
                await response.write(chunk)
        return response

    async def _get(self, request: web.Request) -> web.Response:
        status, content_type, body = await self._engine.get(request.path, request.headers)
        return web.Response(status=status, content_type=content_type, body=body)

    async def _close(self, _: web.Application) -> None:
        await self._engine.close()


def _add_control(app: web.Application, journal: Journal) -> None:
    async def begin(request: web.Request) -> web.Response:
        value = await request.json()
        journal.begin(Truth(int(request.match_info["session"]), value["before"], value["typed"]))
        return web.Response()

    async def end(request: web.Request) -> web.Response:
        journal.end(int(request.match_info["session"]))
        return web.Response()

    async def payload(request: web.Request) -> web.Response:
        found = journal.payload(int(request.match_info["session"]), int(request.match_info["position"]))
        return web.json_response(found, status=200 if found is not None else 404)

    async def entries(request: web.Request) -> web.Response:
        return web.Response(text="".join(journal.lines(int(request.query.get("since", "0")))))

    async def asked(_: web.Request) -> web.Response:
        return web.Response(text=str(sum(entry.origin == HEARTH for entry in journal.entries)))

    app.router.add_get("/bench/asked", asked)
    app.router.add_put("/bench/sessions/{session}", begin)
    app.router.add_delete("/bench/sessions/{session}", end)
    app.router.add_get("/bench/payloads/{session}/{position}", payload)
    app.router.add_get("/bench/entries", entries)


if __name__ == "__main__":
    sys.exit(main())
