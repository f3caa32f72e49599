"""Who gets in, what they may do, and how soon they are out again."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from benchmarks.editor import Editor, ServerAnsweredError, ServerGone
from indexer.hook.payload import MOST_NOTICE_BYTES
from indexer.queue import Queue
from indexer.queue import Repository as Registered
from server.accounts import Accounts, TokenScope
from server.accounts.tokens import new_secret
from server.config import LimitsConfig
from server.gateway import audit
from server.gateway.access import Gatekeeper, Visitor
from server.gateway.api import Administration, Api, BenchmarkApi, DeviceRoutes, Figures
from server.gateway.limits import RateLimits
from server.gateway.news import News
from tests.e2e.model_server import MODEL, ModelServer
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.gateway.described import DESCRIPTION, check_described
from tests.server.gateway.team import TeamServer, remote, team_editor, team_server

EDITOR = {TokenScope.COMPLETE, TokenScope.EXPLAIN, TokenScope.SEARCH}


class Company:
    """Accounts beside a running server."""

    def __init__(self, data: Path) -> None:
        self.accounts = Accounts(data)
        self.accounts.add_user("ana", ["shoppers"])
        self.accounts.add_to_group("shoppers", repositories=["shop"])

    def token(self, user: str = "ana", scopes: set[TokenScope] = EDITOR, **more: Any) -> str:
        return self.accounts.add_token(user, scopes, **more)[1]


@pytest.fixture
def company(data: Path) -> Company:
    return Company(data)


@asynccontextmanager
async def asking(team: TeamServer, token: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(team.url, headers=headers) as client:
        yield client


async def status_of(client: aiohttp.ClientSession, path: str, *, method: str = "get", **options: Any) -> int:
    """Ask, hold the answer against the description of the API, and return its status."""
    async with client.request(method, path, **options) as answer:
        if path.startswith("/api/v1"):
            check_described(path, answer.status, await answer.json(), method)
        return answer.status


async def value_of(client: aiohttp.ClientSession, path: str, **options: Any) -> Any:
    async with client.get(path, **options) as answer:
        value = await answer.json()
        assert answer.status == 200, value
        check_described(path, answer.status, value)
        return value


async def test_nobody_gets_in_without_a_usable_token(data: Path, company: Company) -> None:
    revoked, secret = company.accounts.add_token("ana", EDITOR)
    company.accounts.revoke_token(revoked.id)
    async with team_server(data) as team:
        for wrong in ("", new_secret(), company.token()[:-1], secret, "x", company.token(seconds=0.001)):
            async with asking(team, wrong) as client:
                assert await status_of(client, "/api/v1/status") == 401
                assert await status_of(client, "/lsp") == 401
                assert await status_of(client, "/healthz") == 200
                assert await status_of(client, "/readyz") == 200
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                async with team_editor(team, token=wrong):
                    pass
        async with asking(team) as client:
            basic = {"Authorization": f"Basic {company.token()}"}
            assert await status_of(client, "/api/v1/status", headers=basic) == 401
            assert await status_of(client, f"/api/v1/status?q={company.token()}") == 400
            assert await status_of(client, "/healthz?access_token=x") == 400
    refused = [json.loads(line) for line in audit.read(data) if "sign-in-refused" in line]
    assert len(refused) >= 12
    assert secret not in json.dumps(refused)


async def test_a_token_is_good_for_its_scopes_alone(data: Path, company: Company) -> None:
    async with team_server(data) as team:
        async with asking(team, company.token(scopes={TokenScope.METRICS})) as client:
            assert await status_of(client, "/metrics") == 200
            assert await status_of(client, "/api/v1/search?q=price") == 403
            assert await status_of(client, "/lsp") == 403
        async with team_editor(team, token=company.token(scopes={TokenScope.COMPLETE})) as editor:
            with pytest.raises(ServerAnsweredError, match="search"):
                await editor.request("hearth/search", {"query": "price"})
            with pytest.raises(ServerAnsweredError, match="search"):
                await editor.request("workspace/symbol", {"query": "price"})
            uri = (remote("shop") / "a.py").as_uri()
            editor.open(uri, "python", "def run():\n    pass\n")
            place = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 5}}
            with pytest.raises(ServerAnsweredError, match="explain"):
                await editor.request("textDocument/hover", place)
            await editor.complete(uri, 1, 4)


async def test_every_answer_of_the_api_is_as_described(data: Path, company: Company) -> None:
    async with team_server(data) as team, asking(team, company.token()) as client:
        assert await value_of(client, "/api/v1/openapi.json") == DESCRIPTION
        status = await value_of(client, "/api/v1/status")
        assert status["user"] == "ana"
        assert [row["name"] for row in status["index"]["repositories"]] == ["shop"]
        assert (await value_of(client, "/api/v1/repositories"))["repositories"][0]["state"] == "ready"
        hits = (await value_of(client, "/api/v1/search", params={"q": "round price", "limit": 3}))["hits"]
        assert len(hits) == 3
        assert {hit["repository"] for hit in hits} == {"shop"}
        secret = {"q": "round price", "repository": "secret"}
        assert (await value_of(client, "/api/v1/search", params=secret))["hits"] == []
        for path, expected in (
            ("/api/v1/search", 400),
            ("/api/v1/search?q=x&limit=many", 400),
            ("/api/v1/suggestions/none", 404),
        ):
            assert await status_of(client, path) == expected
        async with client.get("/nothing") as answer:
            assert answer.status == 404
            assert (await answer.json())["error"]["code"] == "http"
            assert answer.headers["Server"] == "hearth"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with client.post("/api/v1/search") as answer:
            assert answer.status == 405


async def test_news_of_pushes_are_answered_as_described(data: Path, company: Company) -> None:
    with Queue(data) as queue:
        for name in ("shop", "secret"):
            queue.register(Registered(name, str(data / f"{name}.git"), paused=True))
    hooks = company.token(scopes={TokenScope.HOOKS})
    push = "/api/v1/hooks/push"
    notice = {"version": 1, "repository": "shop", "updates": []}
    async with team_server(data) as team, asking(team, hooks) as client, asking(team, company.token()) as editor:
        assert await status_of(client, push, method="post", data=b"{") == 400
        assert await status_of(client, push, method="post", json={**notice, "refs": ["main"]}) == 202
        for other in ("secret", "none"):
            async with client.post(push, json={"repository": other, "refs": ["main"]}) as answer:
                assert answer.status == 404
                assert "shop" not in await answer.text()
        assert await status_of(client, push, method="post", data=io.BytesIO(b" " * (MOST_NOTICE_BYTES + 1))) == 413
        assert await status_of(editor, push, method="post", json=notice) == 403
        for forge, expected in (("github", 403), ("none", 404)):
            path = f"/api/v1/webhooks/{forge}"
            assert await status_of(editor, path, method="post", json={}) == expected
    with Queue(data) as queue:
        assert {job.repository for job in queue.jobs() if job.reason == "push"} == {"shop"}


def test_every_route_of_the_api_is_described() -> None:
    router = web.UrlDispatcher()
    nothing: Any = None
    Api(nothing, index=None, ladder=nothing, prompts=None, model=str, why=nothing, threads=nothing).add_routes(router)
    Administration(nothing, nothing, nothing).add_routes(router)
    BenchmarkApi(nothing, nothing).add_routes(router)
    Figures(nothing, nothing, nothing).add_routes(router)
    DeviceRoutes(
        nothing,
        gate=nothing,
        accounts=nothing,
        waiting=nothing,
        peers=nothing,
        audit=nothing,
        threads=nothing,
        public_url="",
        hours=1,
    ).add_routes(router)
    News(nothing, nothing, nothing, nothing).add_routes(router)
    routes = {
        (route.resource.canonical.removeprefix("/api/v1"), route.method.lower())
        for route in router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert routes == {
        (path, method) for path, item in DESCRIPTION["paths"].items() for method in item if method != "parameters"
    }


async def test_reasons_are_told_to_their_own_user_only(data: Path, company: Company) -> None:
    company.accounts.add_user("ben", ["shoppers"])
    settings = "[engine.embedded]\nthreshold = 0.01\n"
    async with team_server(data, settings) as team, team_editor(team, token=company.token()) as editor:
        uri = (remote("shop") / "shop/more.py").as_uri()
        editor.open(uri, "python", "from shop.pricing import round_price\n\n\ndef f(price):\n    return round_")
        found = await editor.complete(uri, 4, 17, automatic=False)
        identifier, *_ = found.result["items"][0]["command"]["arguments"]
        async with asking(team, company.token()) as client:
            assert (await value_of(client, f"/api/v1/suggestions/{identifier}"))["engine"] == "embedded"
        async with asking(team, company.token("ben")) as client:
            assert await status_of(client, f"/api/v1/suggestions/{identifier}") == 404


async def test_what_is_revoked_is_closed_while_it_is_used(data: Path, company: Company) -> None:
    async with team_server(data) as team:
        token, secret = company.accounts.add_token("ana", EDITOR)
        async with team_editor(team, token=secret) as editor, team_editor(team, token=company.token()) as other:
            company.accounts.revoke_token(token.id)
            assert "1008" in await closing(editor)
            assert (await other.request("hearth/status", {}))["index"]["state"] == "ready"
            company.accounts.remove_user("ana")
            assert "1008" in await closing(other)


async def test_fewer_permissions_close_a_session_and_more_do_not(data: Path, company: Company) -> None:
    async with team_server(data) as team, team_editor(team, token=company.token()) as editor:
        assert await names(editor) == {"shop"}
        company.accounts.add_to_group("shoppers", repositories=["tools"])
        assert await names(editor) == {"shop", "tools"}
        company.accounts.remove_from_group("shoppers", repositories=["shop"])
        assert "permissions" in await closing(editor)
    async with team_server(data) as team, team_editor(team, token=company.token()) as editor:
        assert await names(editor) == {"tools"}


def test_whoever_asks_anew_is_answered_by_what_others_have_changed_before(tmp_path: Path) -> None:
    with Accounts(tmp_path) as accounts, Accounts(tmp_path) as others:
        gate = Gatekeeper(accounts.reader, lambda: (1, ("shop", "tools")), RateLimits(LimitsConfig()))
        others.add_user("ana", ["all"])
        token, secret = others.add_token("ana", {TokenScope.SEARCH})
        came = gate.recognise(f"Bearer {secret}")

        def message() -> Visitor:
            assert came.welcome
            return came

        asks: list[Callable[[], Visitor]] = [
            lambda: gate.recognise(f"Bearer {secret}"),
            lambda: gate.remember(token.id),
            message,
        ]
        for ask in asks:
            others.add_to_group("all", repositories=["shop"])
            assert ask().readable == frozenset({"shop"})
            # By another process, and at once: no look at the file is due by itself.
            others.remove_from_group("all", repositories=["shop"])
            assert not ask().readable
        others.revoke_token(token.id)
        assert not came.welcome


async def test_everyone_reads_when_the_settings_say_so(data: Path, company: Company) -> None:
    company.accounts.add_user("ben")
    settings = "[server]\neveryone_reads = true\n"
    async with team_server(data, settings) as team, team_editor(team, token=company.token("ben")) as editor:
        assert await names(editor) == {"shop", "secret", "tools"}


async def test_a_server_without_accounts_answers_its_own_machine_only(data: Path) -> None:
    async with team_server(data) as team, asking(team) as client:
        assert await status_of(client, "/api/v1/status") == 200
        assert await status_of(client, "/metrics") == 200
        for headers in (
            {"Host": "attacker.example"},
            {"X-Forwarded-For": "203.0.113.9"},
            {"Origin": "https://attacker.example"},
        ):
            for path in ("/api/v1/status", "/metrics", "/lsp"):
                assert await status_of(client, path, headers=headers) in {401, 403}, (headers, path)
        async with team_editor(team) as editor:
            assert await names(editor) == {"shop", "secret", "tools"}
            with Accounts(data) as accounts:
                accounts.add_user("ana")
            assert "1008" in await closing(editor)
        assert await status_of(client, "/api/v1/status") == 401


async def test_limits_are_those_of_the_user_and_not_of_the_connection(data: Path, company: Company) -> None:
    settings = "[server.limits]\nsearches = 3\nsessions = 2\n"
    async with team_server(data, settings) as team:
        token = company.token()
        async with team_editor(team, token=token) as one, team_editor(team, token=company.token()) as two:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                async with team_editor(team, token=token):
                    pass
            for editor in (one, two, one):
                await editor.request("hearth/search", {"query": "price"})
            with pytest.raises(ServerAnsweredError, match="within a minute"):
                await two.request("hearth/search", {"query": "price"})
            async with asking(team, token) as client:
                assert await status_of(client, "/api/v1/search?q=price") == 429


async def test_who_was_shown_what_is_written_down_without_a_word_of_code(data: Path, company: Company) -> None:
    company.accounts.add_to_group("shoppers", repositories=["tools"])
    model = ModelServer()
    await model.start()
    try:
        settings = patient_model(model.url) + PATIENT
        async with team_server(data, settings) as team, team_editor(team, token=company.token()) as editor:
            uri = (remote("shop") / "shop/more.py").as_uri()
            editor.open(uri, "python", "from shop.pricing import round_price\n\n\ndef f(price):\n    ")
            asking = asyncio.create_task(editor.complete(uri, 4, 4, automatic=False))
            call = await asyncio.wait_for(model.calls.get(), WAIT_SECONDS)
            assert "def round_price" in call.prompt
            call.write("return ", "round_price(price)", None)
            await asyncio.wait_for(asking, WAIT_SECONDS)
    finally:
        await model.stop()
    written = list(audit.read(data))
    [entry] = [json.loads(line) for line in written if '"completion"' in line]
    assert (entry["user"], entry["engine"], entry["model"]) == ("ana", "vllm", MODEL)
    assert "shop" in entry["repositories"]
    assert set(entry["repositories"]) <= {"shop", "tools"}
    assert entry["request"]
    assert "round_price" not in "".join(written)
    events = [json.loads(line)["event"] for line in written]
    assert events[0] == "session-opened"
    assert events[-1] == "session-closed"


@pytest.mark.parametrize("settings", ['host = "0.0.0.0"', 'host = "0.0.0.0"\nbehind_proxy = true'])
async def test_no_address_of_others_without_encryption_and_accounts(data: Path, settings: str) -> None:
    with pytest.raises(AssertionError, match="ended with status 2"):
        async with team_server(data, f"[server]\n{settings}\n"):
            pass


async def names(editor: Editor) -> set[str]:
    """Return what the status lists and a search for everything finds; both say the same."""
    rows = (await editor.request("hearth/status", {}))["index"]["repositories"]
    hits = (await editor.request("hearth/search", {"query": "price", "limit": 100}))["hits"]
    listed = {row["name"] for row in rows}
    assert listed == {hit["repository"] for hit in hits}
    return listed


async def closing(editor: Editor) -> str:
    """Wait until the server closes the connection, and return how it says that."""
    async with asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(ServerGone) as gone:
            await editor.wait_for_notification("never", timeout_s=WAIT_SECONDS)
    return str(gone.value)
