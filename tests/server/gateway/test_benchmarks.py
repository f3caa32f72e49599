"""Benchmark runs on the real server: started, watched, compared, cancelled, and never left behind."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from benchmarks.latency.timed import MODEL
from benchmarks.latency.tokenizer import train_tokenizer
from indexer.backup import part_of
from server.accounts import Accounts, TokenScope
from server.cli.data_files import PARTS
from server.gateway import audit
from server.runs.kept import KeptRuns
from tests.server.gateway.benchmarked import company_data
from tests.server.gateway.described import check_described
from tests.server.gateway.team import TeamServer, team_server
from tests.server.runs.results import result

BENCHMARKS = "/api/v1/benchmarks"
RUNNING = "/api/v1/running-benchmark"
TINY = {"repository": "history", "keys": 80, "seeds": 1, "speed": 3}
ENDLESS = {"repository": "history", "keys": 20_000, "seeds": 10, "speed": 10}
_PATIENCE_SECONDS = 120.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return company_data(tmp_path)


class Administrator:
    """Asks the API, and holds every answer against its description."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def ask(self, method: str, path: str = "", fields: object = None) -> tuple[int, Any]:
        address = path if path == RUNNING else BENCHMARKS + path
        async with self._client.request(method, address, json=fields) as answer:
            value = await answer.json()
            check_described(address, answer.status, value, method)
            return answer.status, value

    async def last(self, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until something holds of the run that was started last."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                _, value = await self.ask("get")
                if value["last"] is not None and until(value["last"]):
                    found: dict[str, Any] = value["last"]
                    return found
                await asyncio.sleep(0.1)


@asynccontextmanager
async def administration(
    data: Path, settings: str = "", scope: TokenScope = TokenScope.ADMIN
) -> AsyncIterator[tuple[Administrator, TeamServer]]:
    with Accounts(data) as accounts:
        token = accounts.add_token("root", {scope})[1]
    headers = {"Authorization": f"Bearer {token}"}
    async with team_server(data, settings) as team, aiohttp.ClientSession(team.url, headers=headers) as client:
        yield Administrator(client), team


def begun(last: dict[str, Any]) -> bool:
    """Whether processes of all kinds run."""
    return "hearth" in last["stage"]


def ended(last: dict[str, Any]) -> bool:
    return bool(last["state"] != "running")


def processes_of(data: Path) -> set[int]:
    """Return the processes of runs in this data directory: their scratch directory stands in their environment."""
    found = set()
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            environment = (directory / "environ").read_bytes()
        except OSError:
            continue
        if f"TMPDIR={data / 'benchmark-scratch'}".encode() in environment:
            found.add(int(directory.name))
    return found


def scratch_of(data: Path) -> list[Path]:
    return list((data / "benchmark-scratch").glob("*"))


async def gone(data: Path, *, scratch: bool = True) -> None:
    """Wait until nothing of a run is left."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            if not processes_of(data) and not (scratch and scratch_of(data)):
                return
            await asyncio.sleep(0.05)


def names_in(data: Path) -> list[str]:
    return [entry.name for entry in data.iterdir()]


def index_times(data: Path) -> dict[Path, int]:
    # Readers write into the -shm.
    return {file: file.stat().st_mtime_ns for file in data.glob("hearth.sqlite*") if not file.name.endswith("-shm")}


async def test_a_run_is_started_watched_kept_and_compared(data: Path) -> None:
    old = KeptRuns(data).keep(result(label="an older one"))
    before = index_times(data)
    async with administration(data, "[server.benchmarks]\nkept = 2\n") as (admin, _):
        status, started = await admin.ask("post", fields={**TINY, "label": "tiny"})
        assert (status, started["state"], started["by"]) == (202, "running", "root")
        seen = await admin.last(lambda last: bool(last["total"]) or ended(last))
        assert seen["total"] == 80
        last = await admin.last(ended)
        assert (last["state"], last["cause"]) == ("finished", "")
        _, value = await admin.ask("get")
        assert [run["id"] for run in value["runs"]] == [last["run"], old]
        assert value["runs"][0]["label"] == "tiny"
        assert value["runs"][0]["repository"] == "history"
        assert 0 < value["runs"][0]["paths"]["serve"]["p50_ttft_ms"] < 10_000
        assert (await admin.ask("get", f"/{last['run']}"))[1]["engine"].startswith("fixed latencies")
        _, same = await admin.ask("get", f"/{old}/changes?since={old}")
        assert not same["regressed"]
        assert {change["verdict"] for change in same["changes"]} == {"same"}
        assert (await admin.ask("delete", f"/{old}"))[0] == 200
        for method, path in (("get", f"/{old}"), ("delete", f"/{old}"), ("get", f"/{last['run']}/changes?since={old}")):
            assert (await admin.ask(method, path))[0] == 404
        await gone(data)
        # The index is only read: a run has its own.
        assert index_times(data) == before
        assert not [name for name in names_in(data) if part_of(name, PARTS) is None], "backups know all of it"
    noted = [event for event in map(json.loads, audit.read(data)) if event["event"].startswith("benchmark-")]
    assert [(event["event"], event.get("outcome")) for event in noted] == [
        ("benchmark-started", None),
        ("benchmark-ended", "finished"),
        ("benchmark-removed", None),
    ]


async def test_the_configured_model_server_is_measured_with_the_whole_index_and_the_key(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Accounts(data) as accounts:
        accounts.add_to_group("readers", repositories=["*"])
    monkeypatch.setenv("SHOP_MODEL_KEY", "let-me-in")
    tokenizer = train_tokenizer(tmp_path / "history", "HEAD", MODEL, tmp_path / "model")
    before = index_times(data)
    async with model_server(tokenizer) as (url, keys):
        settings = f'[engine.vllm]\nurl = "{url}"\napi_key_env = "SHOP_MODEL_KEY"\nformat = "qwen2.5-coder"\n'
        async with administration(data, settings) as (admin, _):
            assert (await admin.ask("post", fields={**TINY, "engine": "model", "wholeIndex": True}))[0] == 202
            last = await admin.last(ended)
            assert (last["state"], last["cause"]) == ("finished", "")
            _, measured = await admin.ask("get", f"/{last['run']}")
    assert measured["engine"] == "the configured model server"
    assert measured["chunks"] == 3, "one of each repository, and of the one once more as it was"
    assert measured["paths"]["serve"]["engine_requests"] > 0
    assert set(keys) == {"Bearer let-me-in"}, "what is asked directly has the key as well"
    assert index_times(data) == before


@asynccontextmanager
async def model_server(tokenizer: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve a model that says what any model may, and note the keys that it is asked with."""
    keys: list[str] = []

    async def models(request: web.Request) -> web.Response:
        keys.append(request.headers.get("Authorization", ""))
        return web.json_response({"data": [{"id": MODEL, "root": str(tokenizer)}]})

    async def complete(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers.get("Authorization", ""))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for text in ("    return", " values", ""):
            choice = {"index": 0, "text": text, "finish_reason": None if text else "stop"}
            await response.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    application = web.Application()
    application.router.add_get("/v1/models", models)
    application.router.add_post("/v1/completions", complete)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", keys
    finally:
        await runner.cleanup()


async def test_one_runs_at_a_time_and_is_cancelled_with_all_it_started(data: Path) -> None:
    async with administration(data) as (admin, _):
        assert (await admin.ask("delete", RUNNING))[0] == 409
        assert (await admin.ask("post", fields=ENDLESS))[0] == 202
        assert (await admin.ask("post", fields=TINY))[0] == 409
        await admin.last(begun)
        assert processes_of(data)
        assert (await admin.ask("delete", RUNNING))[0] == 202
        assert (await admin.last(ended))["state"] == "cancelled"
        await gone(data)
        assert (await admin.ask("get"))[1]["runs"] == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_run_ends_with_the_server(data: Path, how: signal.Signals) -> None:
    async with administration(data) as (admin, team):
        await admin.ask("post", fields=ENDLESS)
        await admin.last(begun)
        assert processes_of(data)
        await team.stop(how)
        await gone(data, scratch=False)
    # What a killed server could not take away goes with the next run.
    async with administration(data) as (admin, _):
        await admin.ask("post", fields=ENDLESS)
        await admin.last(lambda last: bool(last["stage"]))
        assert len(scratch_of(data)) == 1


async def test_a_run_that_takes_too_long_is_ended(data: Path) -> None:
    async with administration(data, "[server.benchmarks]\nminutes = 0.02\n") as (admin, _):
        await admin.ask("post", fields=ENDLESS)
        assert (await admin.last(ended))["state"] == "out of time"
        await gone(data)


async def test_a_run_that_fails_says_why(data: Path, tmp_path: Path) -> None:
    (tmp_path / "history").rename(tmp_path / "moved")
    async with administration(data) as (admin, _):
        await admin.ask("post", fields=TINY)
        last = await admin.last(ended)
        assert last["state"] == "failed"
        assert "Error" in last["cause"]
        await gone(data)


async def test_only_administrators_start_runs_and_only_on_what_they_may_read(data: Path) -> None:
    async with administration(data) as (admin, _):
        for wrong, status in (
            ({"repository": "hidden"}, 404),
            ({"repository": "none"}, 404),
            ({}, 400),
            ({**TINY, "keys": 1}, 400),
            ({**TINY, "keys": 10**9}, 400),
            ({**TINY, "keys": True}, 400),
            ({**TINY, "speed": "fast"}, 400),
            ({**TINY, "engine": "other"}, 400),
            ({**TINY, "label": "\n"}, 400),
            ({**TINY, "label": "x" * 101}, 400),
            ({**TINY, "engine": "model"}, 409),
            ({**TINY, "wholeIndex": "yes"}, 400),
            ({**TINY, "wholeIndex": True}, 409),
        ):
            assert (await admin.ask("post", fields=wrong))[0] == status, wrong
        assert (await admin.ask("get"))[1]["last"] is None
    async with administration(data, scope=TokenScope.SEARCH) as (reader, _):
        for method, path in (("get", ""), ("post", ""), ("delete", RUNNING), ("get", "/x"), ("delete", "/x")):
            assert (await reader.ask(method, path, {} if method == "post" else None))[0] == 403
