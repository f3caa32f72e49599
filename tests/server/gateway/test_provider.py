"""Signing in at a provider: a real one behind a network that can fail, the real server, and a screenless browser."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import trustme

from server.accounts import Accounts, TokenKind, TokenScope
from server.gateway import audit
from tests.patience import WAIT_SECONDS
from tests.server.gateway.browser import Browser, Page, browsing
from tests.server.gateway.chromium_pages import Chromium, chromium
from tests.server.gateway.team import HEARTH, TeamServer, issue, team_server
from tests.server.oidc.front import Claims, Front, provider
from tests.server.oidc.provider import PASSWORD


class Company:
    """What there is beside a running server: accounts, and a provider that people know."""

    def __init__(self, data: Path, port: int, front: Front) -> None:
        self.data = data
        self.port = port
        self.front = front
        self.accounts = Accounts(data)
        self.accounts.add_to_group("shoppers", repositories=["shop"])
        self.accounts.add_to_group("toolmakers", repositories=["tools"])

    @asynccontextmanager
    async def serving(self, more: str = "") -> AsyncIterator[TeamServer]:
        async with team_server(self.data, self.front.settings + more, "--port", str(self.port)) as team:
            yield team

    @property
    def users(self) -> dict[str, frozenset[str]]:
        return dict(self.accounts.directory().users)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in map(json.loads, audit.read(self.data)) if event["event"] == name]


@pytest.fixture
async def company(data: Path, unused_ports: list[int], tmp_path: Path) -> AsyncIterator[Company]:
    port, *others = unused_ports
    async with provider(tmp_path, (others[0], others[1]), f"http://127.0.0.1:{port}/sign-in/callback") as front:
        yield Company(data, port, front)


async def sign_in(browser: Browser, name: str = "ana", to: str = "/") -> Page:
    """Go to the provider, log in there unless that was done before, and come back."""
    client = browser.client
    async with client.get("/sign-in/provider", params={"to": to}) as answer:
        text, at = await answer.text(), answer.url
        page = Page(answer.status, at.path, text, answer.headers)
    csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
    if csrf is None:
        return page
    fields = {"csrfmiddlewaretoken": csrf[1], "username": name, "password": PASSWORD, "next": at.query["next"]}
    async with client.post(at, data=fields, headers={"Referer": str(at)}) as answer:
        return Page(answer.status, answer.url.path, await answer.text(), answer.headers)


async def test_who_signs_in_there_is_a_user_here_with_the_groups_of_their_claims(company: Company) -> None:
    async with company.serving() as team, browsing(team.url) as ana:
        page = await ana.get("/search")
        assert "/sign-in/provider?to=/search" in page.text
        page = await sign_in(ana, to="/search?q=price")
        assert (page.status, 'content="0; url=/search?q=price"' in page.text) == (200, True)
        page = await ana.get("/search?q=price")
        assert page.path == "/search"
        assert "shop/pricing.py" in page.text
        assert (await ana.get("/accounts")).status == 403
        assert company.users == {"ana": {"shoppers"}}
        [token] = company.accounts.directory().tokens.values()
        assert token.kind is TokenKind.BROWSER
        assert token.expires == pytest.approx(time.time() + 12 * 3600, abs=120)
        await ana.get("/")
        assert (await ana.post("/sign-out", {})).path == "/sign-in"
        assert (await ana.get("/search")).path == "/sign-in"
        assert company.accounts.directory().tokens == {}
    [event] = company.events("user-admitted")
    assert (event["user"], event["groups"]) == ("ana", ["shoppers"])
    assert company.events("signed-in")[0]["user"] == "ana"


async def test_groups_that_change_there_change_here_at_the_next_sign_in(company: Company) -> None:
    async with company.serving() as team, browsing(team.url) as ana, browsing(team.url) as other:
        await sign_in(ana)
        claims = {"preferred_username": "ana.married", "groups": ["tools", "ops", "others"]}
        company.front.people(ana=claims)
        await sign_in(other)
        assert company.users == {"ana": {"toolmakers"}}
        assert (await other.get("/accounts")).status == 200
        # Who was signed in before reads by the groups of now, and does not administrate.
        page = await ana.get("/search?q=price")
        assert "tools/format.py" in page.text
        assert "shop/pricing.py" not in page.text
        assert (await ana.get("/accounts")).status == 403
        company.front.people(ana={"preferred_username": "ana", "groups": ["others"]})
        async with browsing(team.url) as third:
            page = await sign_in(third)
            assert (page.status, "in no group" in page.text) == (403, True)
            assert (await third.get("/")).path == "/sign-in"
        # Whoever is let in no more is out everywhere.
        assert (await ana.get("/")).path == "/sign-in"
        assert (await other.get("/")).path == "/sign-in"
        assert company.users == {"ana": frozenset()}
    assert company.events("user-withdrawn")[0]["user"] == "ana"


async def test_an_editor_is_let_in_by_who_signed_in_there_and_out_with_them(company: Company) -> None:
    async with company.serving() as team, browsing(team.url) as ana, aiohttp.ClientSession(team.url) as client:
        async with client.post("/api/v1/device", json={"client": "an editor"}) as answer:
            waiting = await answer.json()
        page = await ana.get(f"/device?code={waiting['userCode']}")
        assert page.path == "/sign-in"
        await sign_in(ana, to=f"/device?code={waiting['userCode']}")
        await ana.get(f"/device?code={waiting['userCode']}")
        await ana.post("/device", {"code": waiting["userCode"], "action": "allow"})
        async with client.post("/api/v1/device/token", json={"deviceCode": waiting["deviceCode"]}) as answer:
            given = await answer.json()
        assert given["user"] == "ana"
        assert given["expiresAt"] == pytest.approx(time.time() + 168 * 3600, abs=120)
        # Signing out of the pages is not signing out of the editor.
        await ana.get("/")
        await ana.post("/sign-out", {})
        headers = {"Authorization": f"Bearer {given['token']}"}
        async with client.get("/api/v1/status", headers=headers) as answer:
            assert answer.status == 200
        company.front.people(ana={"preferred_username": "ana", "groups": []})
        assert (await sign_in(ana)).status == 403
        async with client.get("/api/v1/status", headers=headers) as answer:
            assert answer.status == 401


async def test_nobody_is_taken_for_somebody_of_the_same_name(company: Company) -> None:
    company.accounts.add_user("ana", ["owners"])
    async with company.serving() as team, browsing(team.url) as ana:
        page = await sign_in(ana)
        assert (page.status, "somebody else" in page.text) == (403, True)
        assert company.users == {"ana": {"owners"}}
        assert company.accounts.directory().tokens == {}


@pytest.mark.parametrize(
    ("more", "refused", "admitted"),
    [
        (
            "",
            [
                ({"groups": [["eng"], 7]}, "in no group"),
                ({"groups": {"eng": True}}, "in no group"),
                ({"preferred_username": ""}, "what you are called"),
                ({"preferred_username": "../ana"}, "cannot be the name"),
            ],
            {"groups": "eng"},
        ),
        ("groups_claim = 'realm_access.roles'\n", [], {"groups": [], "realm_access": {"roles": ["eng"]}}),
        ("groups_claim = 'https://example.com/groups'\n", [], {"https://example.com/groups": ["eng"]}),
        ("default_groups = ['toolmakers']\n", [], {"groups": None}),
        (
            "allowed_domains = ['Example.com']\n",
            [
                ({}, "mail address"),
                ({"email_verified": "true"}, "mail address"),
                ({"email_verified": True, "email": "ana@an.example.com"}, "mail address"),
                ({"email_verified": True, "email": "ana@anexample.com"}, "mail address"),
            ],
            {"email_verified": True},
        ),
    ],
)
async def test_who_is_let_in_is_said_by_the_settings(
    company: Company, more: str, refused: list[tuple[Claims, str]], admitted: Claims
) -> None:
    anybody = {"preferred_username": "ana", "email": "ana@example.com", "groups": ["eng"]}
    async with company.serving(more) as team, browsing(team.url) as ana:
        for claims, why in refused:
            company.front.people(ana=anybody | claims)
            page = await sign_in(ana)
            assert (page.status, why in page.text) == (403, True), claims
            assert company.users == {}
        company.front.people(ana=anybody | admitted)
        assert (await sign_in(ana)).status == 200
        assert len(company.users) == 1


async def test_what_the_provider_says_is_checked(company: Company) -> None:
    front, now = company.front, int(time.time())
    hashed = {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}
    forgeries: dict[str, Callable[[Claims], str]] = {
        "nonce": lambda claims: front.signed(claims | {"nonce": "another"}),
        "(nonce)": lambda claims: front.signed(claims | {"nonce": "\ud800"}),
        "aud": lambda claims: front.signed(claims | {"aud": "another"}),
        "azp": lambda claims: front.signed(claims | {"aud": ["hearth", "another"]}),
        "iss": lambda claims: front.signed(claims | {"iss": "https://another.example"}),
        "expired": lambda claims: front.signed(claims | {"exp": now - 120}),
        "future": lambda claims: front.signed(claims | {"iat": now + 600, "nbf": now + 600}),
        "names nobody": lambda claims: front.signed(claims | {"sub": ""}),
        "lacks the claim exp": lambda claims: front.signed({k: v for k, v in claims.items() if k != "exp"}),
        "at_hash": lambda claims: front.signed(claims | hashed),
        "&#39;none&#39;": lambda claims: jwt.encode(claims, "", "none"),
        "&#39;HS256&#39;": lambda claims: jwt.encode(claims, "x" * 64, "HS256"),
        "no key of the provider": lambda claims: front.signed(claims, kid="nobody's"),
        "made its signature": lambda claims: front.signed(claims)[:-8] + "AAAAAAAA",
        "cannot be read": lambda _: "no token",
    }
    async with company.serving() as team, browsing(team.url) as ana:
        for why, forgery in forgeries.items():
            front.forge = forgery
            page = await sign_in(ana)
            assert (page.status, why in page.text) == (403, True), (why, page.text)
            assert (await ana.get("/")).path == "/sign-in"
        assert company.users == {}
        # And with nothing wrong in it, what the other key signs is taken, too.
        front.forge = lambda claims: front.signed(claims | {"exp": now - 30})
        assert (await sign_in(ana)).status == 200
    assert len(company.events("sign-in-refused")) == len(forgeries)


async def test_an_answer_counts_for_the_browser_that_asked_and_once(company: Company) -> None:
    async with company.serving() as team, browsing(team.url) as ana, browsing(team.url) as mallory:
        await sign_in(ana)
        # Signed in there now, so that it answers at once: once with the answer held back.
        async with ana.client.get("/sign-in/provider") as answer:
            [*_, back] = answer.history
            answered = back.headers["Location"]
        callbacks = [answered, "/sign-in/callback", "/sign-in/callback?state=x&code=y", "/sign-in/callback?code=y"]
        redeemed = company.front.asked.count("/o/token/")
        for callback, begun in itertools.product(callbacks, (False, True)):
            # Whoever is sent an answer of another cannot be signed in as them, on their way or not.
            if begun:
                async with mallory.client.get("/sign-in/provider", allow_redirects=False):
                    pass
            async with mallory.client.get(callback) as answer:
                assert answer.status == 403
                assert "another browser" in await answer.text()
        assert company.front.asked.count("/o/token/") == redeemed
        assert mallory.cookie("hearth-session") == ""
        async with ana.client.get("/sign-in/provider", allow_redirects=False) as answer:
            asked = answer.headers["Location"]
        state = re.search(r"state=([\w-]+)", asked)
        assert state is not None
        assert "code_challenge_method=S256" in asked
        for query, why in (
            (f"state={state[1]}&error=access_denied&error_description=%3Cb%3E", "access_denied"),
            (f"state={state[1]}&error=%3Cscript%3E", "for no reason that is known"),
            (f"state={state[1]}&code=x&iss=https%3A%2F%2Fanother.example", "another provider"),
            (f"state={state[1]}", "no code"),
            (f"state={state[1]}&code=made-up", "did not say who you are"),
        ):
            async with ana.client.get("/sign-in/provider", allow_redirects=False) as answer:
                found = re.search(r"state=([\w-]+)", answer.headers["Location"])
                assert found is not None
            async with ana.client.get(f"/sign-in/callback?{query.replace(state[1], found[1])}") as answer:
                text = await answer.text()
                assert (answer.status, why in text) == (403, True), (why, text)
                assert "<script>" not in text
                assert "<b>" not in text


async def test_signing_in_leads_to_pages_of_ours_alone(company: Company) -> None:
    async with company.serving() as team, browsing(team.url) as ana:
        for to in (
            "//evil.example",
            "https://evil.example/",
            "/\\evil.example",
            "/downloads/x",
            "/device\r\nX: y",
            "/ä",
        ):
            page = await sign_in(ana, to=to)
            assert (page.status, 'content="0; url=/"' in page.text) == (200, True), to


async def test_a_key_that_is_changed_is_noticed(company: Company) -> None:
    async with company.serving() as team, browsing(team.url) as ana:
        assert (await sign_in(ana)).status == 200
        await company.front.stop_provider()
        await company.front.start_provider()
        # Keys are read again for a new one, but not for everybody who makes one up.
        await until(lambda: status_of(sign_in(ana)), 200)
        assert company.front.asked.count("/o/.well-known/jwks.json") == 2


async def test_while_the_provider_is_away_those_with_a_token_come_in(company: Company) -> None:
    await company.front.stop()
    company.accounts.add_user("root")
    _, secret = company.accounts.add_token("root", {TokenScope.ADMIN, TokenScope.SEARCH})
    async with company.serving() as team, browsing(team.url) as ana, aiohttp.ClientSession(team.url) as client:
        await until(lambda: is_lacking(client), True)
        page = await sign_in(ana)
        assert (page.status, "cannot be reached" in page.text) == (503, True)
        await ana.get("/sign-in")
        page = await ana.post("/sign-in", {"token": secret, "to": "/accounts"})
        assert (page.status, page.path) == (200, "/accounts")
        await company.front.start()
        await until(lambda: status_of(sign_in(ana)), 200)
        assert await detail_of(client) == ""
        # It goes while somebody is on their way.
        async with ana.client.get("/sign-in/provider") as answer:
            assert answer.status == 200
        async with ana.client.get("/sign-in/provider", allow_redirects=False) as answer:
            asked = answer.headers["Location"]
        state = re.search(r"state=([\w-]+)", asked)
        assert state is not None
        await company.front.stop()
        async with ana.client.get(f"/sign-in/callback?state={state[1]}&code=x") as answer:
            assert (answer.status, "cannot be reached" in await answer.text()) == (503, True)
        async with client.get("/metrics") as answer:
            counted = await answer.text()
        assert 'hearth_provider_sign_ins_total{outcome="unavailable"}' in counted
        assert 'hearth_provider_sign_ins_total{outcome="ok"} 2.0' in counted


async def test_a_provider_that_is_slow_is_not_waited_for(company: Company) -> None:
    async with company.serving("answer_seconds = 2.0\n") as team, browsing(team.url) as ana:
        async with ana.client.get("/sign-in/provider", allow_redirects=False) as answer:
            asked = answer.headers["Location"]
        state = re.search(r"state=([\w-]+)", asked)
        assert state is not None
        company.front.late = 20.0
        async with ana.client.get(f"/sign-in/callback?state={state[1]}&code=x") as answer:
            assert (answer.status, "in time" in await answer.text()) == (503, True)
        await until(lambda: told_late(ana), True)


async def told_late(browser: Browser) -> bool:
    """Say whether somebody who wants to sign in is told that it takes too long; they may be sent off just before."""
    async with browser.client.get("/sign-in/provider", allow_redirects=False) as answer:
        return answer.status == 503 and "in time" in await answer.text()


async def test_the_way_there_and_back_is_encrypted(data: Path, unused_ports: list[int], tmp_path: Path) -> None:
    authority = trustme.CA()
    files = {name: tmp_path / f"{name}.pem" for name in ("authority", "certificate", "key")}
    authority.cert_pem.write_to_path(str(files["authority"]))
    issue(authority, files["certificate"], files["key"])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files["certificate"], files["key"])
    port, *others = unused_ports
    back = f"https://127.0.0.1:{port}/sign-in/callback"
    served = f'[server.tls]\ncertificate = "{files["certificate"]}"\nkey = "{files["key"]}"\n'
    async with provider(tmp_path, (others[0], others[1]), back, tls) as front:
        company = Company(data, port, front)
        async with company.serving(served) as team, browsing(team.url, ssl=False) as ana:
            page = await sign_in(ana)
            assert (page.status, "certificate" in page.text) == (503, True)
        async with (
            company.serving(f'ca_file = "{files["authority"]}"\n{served}') as team,
            browsing(team.url, ssl=False) as ana,
        ):
            async with ana.client.get("/sign-in/provider", allow_redirects=False) as answer:
                cookie = answer.cookies["__Host-hearth-provider"]
                assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
            assert (await sign_in(ana)).status == 200
            assert ana.cookie("__Host-hearth-session")
            assert ana.cookie("__Host-hearth-provider") == ""


async def test_a_secret_that_is_lost_later_is_told(company: Company) -> None:
    async with company.serving() as team, browsing(team.url) as ana:
        company.front.secret.unlink()
        page = await sign_in(ana)
        assert (page.status, "lost the secret" in page.text) == (503, True)


async def test_settings_that_cannot_work_are_told_at_the_start(company: Company) -> None:
    settings = company.front.settings
    for wrong in (
        settings.replace("public_url", "# public_url"),
        settings.replace("client_id", "# client_id"),
        settings.replace("file:/", "file:/nowhere/"),
        settings.replace("http://localhost", "http://sign-in.example.com"),
        settings + 'ca_file = "/nowhere"\n',
        settings + 'scopes = ["profile"]\n',
    ):
        with pytest.raises(AssertionError, match="ended with status"):
            async with team_server(company.data, wrong):
                pass


async def test_doctor_says_whether_the_provider_answers(company: Company, tmp_path: Path) -> None:
    config = tmp_path / "hearth.toml"
    config.write_text(company.front.settings)
    assert await examined(company.data, config) == ("ok", f"people sign in at {company.front.issuer}")
    config.write_text(company.front.settings.replace('/o"', '/o/"'))
    level, message = await examined(company.data, config)
    assert (level, "calls itself" in message) == ("fail", True)
    await company.front.stop()
    level, message = await examined(company.data, config)
    assert (level, "cannot be reached" in message) == ("fail", True)


async def examined(data: Path, config: Path) -> tuple[str, str]:
    doctor = await asyncio.create_subprocess_exec(
        *HEARTH, "doctor", "--json", "--data", str(data), "--config", str(config), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await doctor.communicate()
    [found] = [check for check in json.loads(told)["checks"] if check["name"] == "provider"]
    return found["level"], found["message"]


@pytest.mark.real
async def test_somebody_signs_in_there_in_a_real_browser_lets_an_editor_in_and_signs_out(company: Company) -> None:
    async with company.serving('title = "the account of Acme"\n') as team, chromium(team.url) as window:
        for look in ({}, {"dark": True, "phone": True}):
            await window.look(**look)
            await window.call("goto", "/search?q=price")
            assert await window.call("path") == "/sign-in"
            assert await window.call("accessibility") == []
            assert await window.call("overflow") <= 0
            await window.screenshot(f"sign-in-at-provider-{'dark' if look else 'light'}")
        # The provider is another site: what browsers send to whom, and from where, is what this is about.
        await window.call("follow", "Sign in with the account of Acme")
        await window.call("fill", "Name", "ana")
        await window.call("fill", "Password", PASSWORD)
        await window.call("click", "Log in")
        await window.call("waitForText", "shop/pricing.py")
        assert await window.call("path") == "/search"
        async with aiohttp.ClientSession(team.url) as client:
            asking = {"client": "Vim", "machine": "laptop"}
            async with client.post("/api/v1/device", json=asking) as answer:
                waiting = await answer.json()
            for look in ({}, {"dark": True, "phone": True}):
                await window.look(**look)
                await window.call("goto", "/device")
                assert await window.call("accessibility") == []
                await window.call("fill", "Code", waiting["userCode"].lower())
                await window.call("click", "Look for it")
                assert await window.call("accessibility") == []
                assert await window.call("overflow") <= 0
                await window.screenshot(f"device-{'dark' if look else 'light'}")
            await window.call("click", "Let it in")
            await window.call("waitForText", "Vim")
            assert await window.call("accessibility") == []
            await window.screenshot("device-let-in")
            async with client.post("/api/v1/device/token", json={"deviceCode": waiting["deviceCode"]}) as answer:
                assert (await answer.json())["user"] == "ana"
        await window.call("click", "Sign out")
        assert await window.call("path") == "/sign-in"
        # Still signed in there, so that nothing is asked.
        await window.call("follow", "Sign in with the account of Acme")
        await window.call("waitForText", "Overview")
        await window.call("click", "Sign out")
        await company.front.stop()
        await until(lambda: told_at_sign_in(window), True)
        await window.screenshot("provider-away")
        assert await window.call("accessibility") == []
        origin = company.front.issuer.removesuffix("/o")
        expected = (f"asked {origin}/", "Failed to load resource: the server responded with a status of 503")
        assert [one for one in await window.call("complaints") if not one.startswith(expected)] == []


@pytest.mark.real
async def test_signing_in_at_a_provider_works_without_scripts(company: Company) -> None:
    async with company.serving() as team, chromium(team.url) as window:
        await window.look(scripts=False)
        await window.call("goto", "/sign-in")
        await window.call("follow", "Sign in with your company's account")
        await window.call("fill", "Name", "ana")
        await window.call("fill", "Password", PASSWORD)
        await window.call("click", "Log in")
        await window.call("waitForText", "Overview")
        assert await window.call("path") == "/"


async def told_at_sign_in(window: Chromium) -> bool:
    """Say whether whoever wants to sign in is told that the provider is away; it was there a moment ago."""
    await window.call("goto", "/sign-in")
    await window.call("follow", "Sign in with the account of Acme")
    return await window.call("path") == "/sign-in/provider" and "cannot be reached" in await window.call("text")


async def detail_of(client: aiohttp.ClientSession) -> str:
    async with client.get("/readyz") as answer:
        assert answer.status == 200
        return str((await answer.json())["detail"])


async def is_lacking(client: aiohttp.ClientSession) -> bool:
    return "cannot be reached" in await detail_of(client)


async def status_of(asked: Awaitable[Page]) -> int:
    return (await asked).status


async def until(ask: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Ask until the answer is what is wanted."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if await ask() == wanted:
                return
            await asyncio.sleep(0.1)
