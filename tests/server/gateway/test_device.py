"""Editors that are signed in with a browser: the real commands and server, and a browser without a screen."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from benchmarks.editor import VSCODE_CAPABILITIES, open_editor
from server.accounts import Accounts, Token, TokenKind, TokenScope
from server.errors import LimitReached
from server.gateway import audit
from server.gateway.device import LIFETIME_SECONDS, Answer, DeviceSignIns
from tests.patience import WAIT_SECONDS
from tests.server.gateway.browser import Browser, browsing
from tests.server.gateway.described import check_described
from tests.server.gateway.team import HEARTH, TeamServer, remote, team_server

READER = {TokenScope.COMPLETE, TokenScope.SEARCH}


class Company:
    """Ana reads ``shop``; root only administrates."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.accounts = Accounts(data)
        self.accounts.add_user("ana", ["shoppers"])
        self.accounts.add_user("root")
        self.accounts.add_to_group("shoppers", repositories=["shop"])
        self.token, self.secret = self.accounts.add_token("ana", READER)
        _, self.root_secret = self.accounts.add_token("root", {TokenScope.ADMIN})

    def editors(self) -> list[Token]:
        return [one for one in self.accounts.directory().tokens.values() if one.kind is TokenKind.EDITOR]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in map(json.loads, audit.read(self.data)) if event["event"] == name]


@pytest.fixture
def company(data: Path) -> Company:
    return Company(data)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands keep what is the user's; without a display, so that no browser is opened."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "HEARTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config"


@dataclass
class Command:
    """A command that waits for somebody at a browser."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(WAIT_SECONDS):
            return (await self.process.stderr.readline()).decode()

    async def end(self) -> tuple[int, str]:
        async with asyncio.timeout(60):
            _, told = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, told.decode()


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[Command]:
    process = await asyncio.create_subprocess_exec(*HEARTH, *arguments, stderr=asyncio.subprocess.PIPE)
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(*arguments: str) -> tuple[int, str]:
    async with command(*arguments) as running:
        return await running.end()


def page_of(line: str, team: TeamServer) -> str:
    """Return the path of the page that a command names, and hold its code against the page's."""
    found = re.search(rf"open {re.escape(team.url)}(/device\?code=(\S+)) .* the code (\S+)", line)
    assert found is not None, line
    assert found[2] == found[3]
    return found[1]


async def asked(http: aiohttp.ClientSession, **fields: str) -> dict[str, Any]:
    """Ask for an editor to be let in, as an editor does."""
    status, value = await post(http, "", {"client": "an editor", "machine": "desk", **fields})
    assert status == 200, value
    return value


async def post(client: aiohttp.ClientSession, path: str, fields: Any) -> tuple[int, dict[str, Any]]:
    async with client.post(f"/api/v1/device{path}", json=fields) as answer:
        value = await answer.json()
        check_described(f"/api/v1/device{path}", answer.status, value, "post")
        return answer.status, value


async def fetched(client: aiohttp.ClientSession, waiting: dict[str, Any]) -> str:
    """Return the token, or the code of the error that came instead."""
    _, value = await post(client, "/token", {"deviceCode": waiting["deviceCode"]})
    return str(value["token"] if "token" in value else value["error"]["code"])


async def decide(browser: Browser, code: str, action: str = "allow") -> int:
    await browser.get(f"/device?code={code}")
    return (await browser.post("/device", {"code": code, "action": action})).status


async def test_an_editor_is_signed_in_by_command_and_out_again(company: Company, home: Path) -> None:
    async with team_server(company.data) as team, browsing(team.url) as ana:
        async with command("sign-in", team.url) as signing_in:
            path = page_of(await signing_in.line(), team)
            page = await ana.get(path)
            assert page.path == "/sign-in"
            target = re.search(r'name="to" value="([^"]+)"', page.text)
            assert target is not None
            page = await ana.post("/sign-in", {"token": company.secret, "to": target[1]})
            assert "hearth sign-in" in page.text
            await ana.get(path)
            page = await ana.post("/device", {"code": path.partition("=")[2], "action": "allow"})
            assert "may work as ana" in page.text
            status, told = await signing_in.end()
            assert status == 0, told
        [file] = (home / "hearth" / "tokens").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        secret = file.read_text().strip()
        assert secret not in told
        [editor] = company.editors()
        assert editor.scopes == READER
        # The editor needs no word of it.
        async with open_editor([*HEARTH, "connect", team.url]) as connected:
            await connected.initialize(remote("shop"), VSCODE_CAPABILITIES)
            hits = (await connected.request("hearth/search", {"query": "price"}))["hits"]
            assert {hit["repository"] for hit in hits} == {"shop"}
        assert (await run("sign-out", team.url))[0] == 0
        assert not file.exists()
        assert company.accounts.reader.authenticate(secret, 0.0) is None
        status, told = await run("sign-out", team.url)
        assert (status, "nobody is signed in" in told) == (16, True)
    [event] = company.events("editor-signed-in")
    assert (event["user"], event["token"]) == ("ana", editor.id)
    assert company.events("editor-signed-out")[0]["token"] == editor.id
    assert secret not in "".join(audit.read(company.data))


async def test_an_editor_that_waits_for_a_sign_in_comes_back_by_itself(company: Company) -> None:
    async with (
        team_server(company.data) as team,
        browsing(team.url, company.secret) as ana,
        open_editor([*HEARTH, "connect", team.url]) as editor,
    ):
        beginning = asyncio.create_task(editor.initialize(remote("shop"), VSCODE_CAPABILITIES))
        told = await editor.wait_for_notification("window/showMessage", timeout_s=WAIT_SECONDS)
        assert "hearth sign-in" in told["message"]
        async with command("sign-in", team.url) as signing_in:
            path = page_of(await signing_in.line(), team)
            assert await decide(ana, path.partition("=")[2]) == 200
            assert (await signing_in.end())[0] == 0
        async with asyncio.timeout(WAIT_SECONDS):
            await beginning
        assert (await editor.request("hearth/search", {"query": "price"}))["hits"]


async def test_who_refuses_an_editor_keeps_it_out(company: Company, home: Path) -> None:
    async with team_server(company.data) as team, browsing(team.url, company.secret) as ana:
        async with command("sign-in", team.url, "--no-browser") as signing_in:
            path = page_of(await signing_in.line(), team)
            assert await decide(ana, path.partition("=")[2], "refuse") == 200
            status, told = await signing_in.end()
        assert (status, "was not let in" in told) == (16, True)
    assert await asyncio.to_thread(lambda: list(home.rglob("*"))) == []
    assert company.editors() == []
    assert company.events("editor-refused")[0]["user"] == "ana"


async def test_a_token_is_told_once_and_only_to_the_editor_that_asked(company: Company) -> None:
    async with (
        team_server(company.data) as team,
        browsing(team.url, company.secret) as ana,
        aiohttp.ClientSession(team.url) as client,
    ):
        waiting = await asked(client)
        assert await fetched(client, waiting) == "authorization-pending"
        assert await fetched(client, waiting) == "slow-down"
        assert await fetched(client, {"deviceCode": waiting["userCode"]}) == "expired-token"
        assert await decide(ana, waiting["userCode"].lower().replace("-", " ")) == 200
        # Nobody can let it in, or keep it out, a second time.
        assert await decide(ana, waiting["userCode"], "refuse") == 404
        assert (await fetched(client, waiting)).startswith("hearth_")
        assert await fetched(client, waiting) == "expired-token"
        bodies: list[Any] = [{"deviceCode": 7}, {"device_code": "x"}, []]
        for body in bodies:
            assert (await post(client, "/token", body))[0] == 400
        async with client.post("/api/v1/device", data={"client": "a form"}) as answer:
            assert answer.status == 415


async def test_an_editor_may_no_more_than_who_let_it_in_and_is_out_with_them(company: Company) -> None:
    short, short_secret = company.accounts.add_token("ana", {TokenScope.SEARCH, TokenScope.ADMIN}, seconds=3600)
    async with (
        team_server(company.data) as team,
        browsing(team.url, company.secret) as ana,
        browsing(team.url, short_secret) as shortly,
        browsing(team.url, company.root_secret) as root,
        aiohttp.ClientSession(team.url) as client,
    ):
        waiting = await asked(client)
        assert await decide(root, waiting["userCode"]) == 403
        assert await decide(shortly, waiting["userCode"]) == 200
        await fetched(client, waiting)
        [editor] = company.editors()
        assert editor.scopes == {TokenScope.SEARCH}
        assert editor.expires == pytest.approx(short.expires, abs=5)
        waiting = await asked(client)
        assert await decide(ana, waiting["userCode"]) == 200
        secret = await fetched(client, waiting)
        headers = {"Authorization": f"Bearer {secret}"}
        async with client.get("/api/v1/status", headers=headers) as answer:
            assert answer.status == 200
        late = await asked(client)
        assert await decide(ana, late["userCode"]) == 200
        company.accounts.revoke_token(company.token.id)
        async with client.get("/api/v1/status", headers=headers) as answer:
            assert answer.status == 401
        assert await fetched(client, late) == "access-denied"
        # A token that an administrator made is not the editor's to end.
        async with client.delete("/api/v1/device/token", headers={"Authorization": f"Bearer {short_secret}"}) as answer:
            check_described("/api/v1/device/token", answer.status, await answer.json(), "delete")
            assert answer.status == 409


async def test_who_was_let_in_by_an_editors_token_is_out_with_it(company: Company) -> None:
    async with (
        team_server(company.data) as team,
        browsing(team.url, company.secret) as ana,
        aiohttp.ClientSession(team.url) as client,
    ):
        waiting = await asked(client)
        assert await decide(ana, waiting["userCode"]) == 200
        first = await fetched(client, waiting)
        async with browsing(team.url, first) as thief:
            waiting = await asked(client)
            assert await decide(thief, waiting["userCode"]) == 200
            second = {"Authorization": f"Bearer {await fetched(client, waiting)}"}
        async with client.get("/api/v1/status", headers=second) as answer:
            assert answer.status == 200
        async with client.delete("/api/v1/device/token", headers={"Authorization": f"Bearer {first}"}) as answer:
            assert answer.status == 200
        async with client.get("/api/v1/status", headers=second) as answer:
            assert answer.status == 401


async def test_what_an_editor_says_of_itself_is_shown_as_text_with_where_it_asked_from(company: Company) -> None:
    settings = '[server]\ntrusted_proxies = ["127.0.0.1"]\npublic_url = "https://hearth.example.com/"\n'
    async with (
        team_server(company.data, settings) as team,
        browsing(team.url, company.secret) as ana,
        aiohttp.ClientSession(team.url, headers={"X-Forwarded-For": "203.0.113.9"}) as client,
    ):
        waiting = await asked(client, client="<b>VS\u202e Code\n</b>" + "x" * 100, machine="laptop")
        assert waiting["verificationUriComplete"].startswith("https://hearth.example.com/device?code=")
        page = await ana.get(f"/device?code={waiting['userCode']}")
        assert "&lt;b&gt;VS Code&lt;/b&gt;xxx" in page.text
        assert "203.0.113.9" in page.text
        assert "another address than this browser" in page.text
        assert "x" * 60 not in page.text


async def test_forms_of_others_let_no_editor_in(company: Company) -> None:
    async with (
        team_server(company.data) as team,
        browsing(team.url, company.secret) as ana,
        aiohttp.ClientSession(team.url) as client,
    ):
        waiting = await asked(client)
        fields = {"code": waiting["userCode"], "action": "allow"}
        await ana.get(f"/device?code={waiting['userCode']}")
        for headers, more in (
            ({"Origin": "https://attacker.example"}, {}),
            ({"Origin": "null"}, {}),
            ({}, {"csrf": ""}),
            ({}, {"csrf": "0" * 64}),
        ):
            assert (await ana.post("/device", {**fields, **more}, **headers)).status == 403
        assert await fetched(client, waiting) == "authorization-pending"


async def test_codes_cannot_be_guessed(company: Company) -> None:
    async with team_server(company.data) as team, browsing(team.url, company.secret) as ana:
        for _ in range(10):
            assert "No editor waits" in (await ana.get("/device?code=BBBB-BBBB")).text
        assert (await ana.get("/device?code=BBBB-BBBB")).status == 429


async def test_a_server_without_accounts_signs_nobody_in(data: Path) -> None:
    async with team_server(data) as team:
        status, told = await run("sign-in", team.url)
        assert (status, "no accounts" in told) == (16, True)


async def test_what_cannot_be_reached_or_is_no_server_is_told(unused_port: int) -> None:
    status, told = await run("sign-in", f"http://127.0.0.1:{unused_port}")
    assert (status, "cannot be reached: Connection refused" in told) == (16, True)
    status, told = await run("sign-in", "http://hearth.example.invalid")
    assert (status, "not encrypted" in told) == (2, True)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"verificationUriComplete": "file:///etc/passwd"}, {}),
        ({"verificationUriComplete": "https://hearth.example.com/\x1b[2J"}, {}),
        ({"userCode": "BBBB\x1b[2J"}, {}),
        ({}, {"token": "hearth_x", "user": "ana", "expiresAt": 1e300}),
        ({}, {"user": "ana", "expiresAt": 1.0}),
    ],
)
async def test_nothing_that_is_no_page_is_shown_and_nothing_that_is_no_token_kept(
    home: Path, unused_port: int, asked: dict[str, Any], given: dict[str, Any]
) -> None:
    async def begin(_: web.Request) -> web.Response:
        page = {"deviceCode": "x", "userCode": "BBBB-BBBB", "verificationUriComplete": "http://127.0.0.1/device"}
        return web.json_response({**page, "interval": 0, **asked})

    async def hand_out(_: web.Request) -> web.Response:
        return web.json_response(given)

    application = web.Application()
    application.router.add_post("/api/v1/device", begin)
    application.router.add_post("/api/v1/device/token", hand_out)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_port).start()
    try:
        status, told = await run("sign-in", f"http://127.0.0.1:{unused_port}")
    finally:
        await runner.cleanup()
    assert (status, "no team server" in told, "\x1b" in told, "passwd" in told) == (16, True, False, False)
    assert await asyncio.to_thread(lambda: list(home.rglob("*"))) == []


def test_what_waits_is_bounded_and_forgotten() -> None:
    now = 0.0
    waiting = DeviceSignIns(lambda: now)
    secrets = [waiting.begin("", "", "192.0.2.1")[0] for _ in range(20)]
    with pytest.raises(LimitReached, match=r"20 editors wait to be signed in from 192\.0\.2\.1") as refused:
        waiting.begin("", "", "192.0.2.1")
    assert refused.value.retry_after == LIFETIME_SECONDS
    assert "600 s" in refused.value.advice
    secret, other = waiting.begin("", "", "192.0.2.2")
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", other.code)
    now = LIFETIME_SECONDS
    assert waiting.find("ana", other.code) is None
    assert waiting.poll(secret) == (Answer.EXPIRED, None)
    assert waiting.poll(secrets[0]) == (Answer.EXPIRED, None)
    waiting.begin("", "", "192.0.2.1")


def test_whoever_has_a_network_of_ipv6_is_one_client_and_fills_no_room_of_others() -> None:
    waiting = DeviceSignIns(lambda: 0.0)
    for number in range(20):
        waiting.begin("", "", f"2001:db8:0:7:{number:x}::{number:x}")
    with pytest.raises(LimitReached, match="20 editors wait to be signed in from 2001:db8:0:7::/64"):
        waiting.begin("", "", "2001:db8:0:7:ffff:ffff:ffff:ffff")
    waiting.begin("", "", "2001:db8:0:8::1")
    for number in range(20):
        waiting.begin("", "", ("192.0.2.9", "::ffff:192.0.2.9")[number % 2])
    with pytest.raises(LimitReached, match=r"from 192\.0\.2\.9"):
        waiting.begin("", "", "::ffff:192.0.2.9")
    waiting.begin("", "", "::ffff:192.0.2.10")


def test_whoever_has_many_networks_of_ipv6_leaves_room_for_others() -> None:
    waiting = DeviceSignIns(lambda: 0.0)
    for number in range(100):
        waiting.begin("", "", f"2001:db8:0:{number:x}::1")
    with pytest.raises(LimitReached, match="100 editors wait to be signed in from 2001:db8::/48"):
        waiting.begin("", "", "2001:db8:0:ffff::1")
    waiting.begin("", "", "2001:db8:1::1")
    waiting.begin("", "", "192.0.2.1")


def test_what_waits_is_bounded_for_all_together_and_whoever_has_most_makes_room() -> None:
    waiting = DeviceSignIns(lambda: 0.0)
    first, *_ = [waiting.begin("", "", f"2001:db8:{number % 10:x}:{number:x}::1") for number in range(1000)]
    # Ten networks of one holder each are full, and with them the server.
    ours = [waiting.begin("", "", f"192.0.2.{number}") for number in range(100)]
    assert waiting.poll(first[0]) == (Answer.EXPIRED, None)
    assert waiting.find("ana", first[1].code) is None
    assert [waiting.find("ana", one.code) for _, one in ours] == [one for _, one in ours]
    # Those that made room take it back from nobody.
    with pytest.raises(LimitReached, match="1000 editors wait to be signed in at this server"):
        waiting.begin("", "", "2001:db8:9:ffff::1")
    assert waiting.find("ana", ours[0][1].code) is ours[0][1]


def test_nobody_makes_room_for_whoever_has_as_much() -> None:
    waiting = DeviceSignIns(lambda: 0.0)
    for number in range(1000):
        waiting.begin("", "", f"2001:db8:{number:x}::1")
    with pytest.raises(LimitReached, match="1000 editors wait to be signed in at this server"):
        waiting.begin("", "", "2001:db8:7:7::1")
    waiting.begin("", "", "192.0.2.1")
