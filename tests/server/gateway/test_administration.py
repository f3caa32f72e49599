"""Repositories and jobs by the API, on the real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from indexer.api import overview
from indexer.api.overview import open_catalog
from indexer.queue import Origin, Queue
from indexer.queue import Repository as Registered
from server.accounts import Accounts, TokenScope
from server.gateway import audit
from tests.conftest import Repository
from tests.server.gateway.described import check_described
from tests.server.gateway.team import team_server
from tests.server.indexed import SHOP

REGISTRATIONS = "/api/v1/registrations"
JOBS = "/api/v1/jobs"


class Administrator:
    """Asks the API, and holds every answer against its description."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def ask(self, method: str, path: str, fields: object = None) -> tuple[int, Any]:
        async with self._client.request(method, path, json=fields) as answer:
            value = await answer.json()
            check_described(path, answer.status, value, method)
            return answer.status, value


@asynccontextmanager
async def administration(
    data: Path, settings: str = "", scope: TokenScope = TokenScope.ADMIN
) -> AsyncIterator[Administrator]:
    with Accounts(data) as accounts:
        accounts.add_user("root")
        token = accounts.add_token("root", {scope})[1]
    headers = {"Authorization": f"Bearer {token}"}
    async with team_server(data, settings) as team, aiohttp.ClientSession(team.url, headers=headers) as client:
        yield Administrator(client)


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A directory with two repositories."""
    for name in ("shop", "tools"):
        (tmp_path / "git" / name).mkdir(parents=True)
        made = Repository(tmp_path / "git" / name)
        made.git("init", "--quiet", "--initial-branch=main")
        made.commit(SHOP)
        made.git("branch", "release/1")
    return tmp_path / "git"


async def test_a_repository_is_registered_indexed_changed_and_removed(company: Path, tmp_path: Path) -> None:
    settings = f'[repositories]\nallowed_paths = ["{company}"]\n'
    async with administration(tmp_path / "data", settings) as admin:
        wanted = {"source": str(company / "shop"), "name": "acme/shop", "branches": ["main"]}
        status, made = await admin.ask("post", REGISTRATIONS, wanted)
        assert (status, made["name"], made["origin"]) == (201, "acme/shop", "page")
        assert (await admin.ask("post", REGISTRATIONS, wanted))[0] == 409
        await until(lambda: indexed(tmp_path / "data", {"main"}))
        address = f"{REGISTRATIONS}/acme%2Fshop"
        status, changed = await admin.ask("patch", address, {"branches": ["main", "release/*"], "pollMinutes": 5})
        assert (status, changed["branches"], changed["pollMinutes"]) == (200, ["main", "release/*"], 5)
        await until(lambda: indexed(tmp_path / "data", {"main", "release/1"}))
        assert (await admin.ask("patch", address, {"paused": True}))[1]["paused"]
        assert (await admin.ask("get", REGISTRATIONS))[1]["registrations"] == [changed | {"paused": True}]
        assert (await admin.ask("delete", address))[0] == 202
        await until(lambda: indexed(tmp_path / "data", set()))
        assert (await admin.ask("delete", address))[0] == 404
    events = [json.loads(line) for line in audit.read(tmp_path / "data")]
    assert [event["event"] for event in events if event.get("subject") == "acme/shop"] == [
        "repository-added", "repository-changed", "repository-paused", "repository-removed",
    ]  # fmt: skip
    assert {event["user"] for event in events} == {"root"}


async def test_what_may_not_be_registered_by_api_is_refused_and_changes_nothing(company: Path, tmp_path: Path) -> None:
    settings = (
        f'[repositories]\nallowed_paths = ["{company / "tools"}"]\nallowed_credentials = ["env:FINE"]\n'
        f'[[repository]]\nsource = "{company / "shop"}"\nname = "fixed"\npaused = true\n'
    )
    url = "https://git.example.invalid/acme/x.git"
    async with administration(tmp_path / "data", settings) as admin:
        refused: list[Any] = [
            {"source": str(company / "shop")},
            {"source": "file:///etc"},
            {"source": "ext::sh -c id"},
            {"source": "\0"},
            {"source": url, "credential": "file:/etc/shadow"},
            {"source": url, "credential": "env:OTHER"},
            {"source": url, "branches": ["a b"]},
            {"source": url, "branches": "main"},
            {"source": url, "pollMinutes": -1},
            {"source": url, "origin": "command"},
            {},
            [],
        ]
        for fields in refused:
            assert (await admin.ask("post", REGISTRATIONS, fields))[0] == 400, fields
        assert (await admin.ask("post", REGISTRATIONS, {"source": url, "credential": "env:FINE", "name": "fixed"}))[
            0
        ] == 409
        assert (await admin.ask("delete", f"{REGISTRATIONS}/fixed"))[0] == 409
        assert (await admin.ask("patch", f"{REGISTRATIONS}/fixed", {"branches": ["main"]}))[0] == 409
        assert (await admin.ask("patch", f"{REGISTRATIONS}/none", {"paused": True}))[0] == 404
        registered = (await admin.ask("get", REGISTRATIONS))[1]["registrations"]
        assert [(one["name"], one["origin"]) for one in registered] == [("fixed", "configuration")]


async def test_jobs_are_listed_tried_again_and_dropped(tmp_path: Path) -> None:
    with Queue(tmp_path / "data") as queue:
        queue.register(Registered("gone", str(tmp_path / "gone"), origin=Origin.COMMAND))
    async with administration(tmp_path / "data", "[repositories]\nattempts = 1\n") as admin:

        async def failed() -> bool:
            return [job["state"] for job in (await admin.ask("get", JOBS))[1]["jobs"]] == ["failed"]

        await until(failed)
        (job,) = (await admin.ask("get", JOBS))[1]["jobs"]
        assert job["error"]
        assert (await admin.ask("post", f"{JOBS}/{job['id']}/retry"))[0] == 200
        await until(failed)
        assert (await admin.ask("delete", f"{JOBS}/{job['id']}"))[0] == 200
        assert (await admin.ask("get", JOBS))[1] == {"running": None, "jobs": []}
        for absent in (str(job["id"]), "0", "x", "9" * 40):
            assert (await admin.ask("delete", f"{JOBS}/{absent}"))[0] == 404


async def test_only_tokens_for_admin_get_in_and_only_with_json(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with administration(data, scope=TokenScope.SEARCH) as other:
        for method, path in (("get", REGISTRATIONS), ("post", REGISTRATIONS), ("get", JOBS), ("delete", f"{JOBS}/1")):
            assert (await other.ask(method, path))[0] == 403
        assert (await other.ask("patch", f"{REGISTRATIONS}/shop", {"paused": True}))[0] == 403
        assert (await other.ask("delete", f"{REGISTRATIONS}/shop"))[0] == 403
        assert (await other.ask("post", f"{JOBS}/1/retry"))[0] == 403
    with Accounts(data) as accounts:
        token = accounts.add_token("root", {TokenScope.ADMIN})[1]
    async with team_server(data) as team, aiohttp.ClientSession(team.url) as client:
        headers = {"Authorization": f"Bearer {token}"}
        async with client.post(REGISTRATIONS, data={"source": "/x"}, headers=headers) as answer:
            check_described(REGISTRATIONS, answer.status, await answer.json(), "post")
            assert answer.status == 415


async def indexed(data: Path, refs: set[str]) -> bool:
    def read() -> set[str]:
        with open_catalog(data) as catalog:
            return {ref.ref for status in overview.repositories(catalog) for ref in status.refs if ref.commit}

    return await asyncio.to_thread(read) == refs


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 -- the condition is the server's
            await asyncio.sleep(0.1)
