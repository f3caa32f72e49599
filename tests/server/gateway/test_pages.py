"""The pages: who gets in, who sees what, and which forms are believed. The real server, and no browser."""

from __future__ import annotations

import html
import json
import os
import re
from importlib import resources
from pathlib import Path

import aiohttp
import pytest
import trustme

from indexer.queue import Queue
from indexer.queue import Repository as Registered
from server.accounts import Accounts, TokenScope
from server.accounts.sign_ins import FILE_NAME, LONGEST_SECONDS, SignIns
from server.gateway import audit
from tests.editors.documented import first_steps
from tests.server.gateway.browser import browsing
from tests.server.gateway.team import team_server

READER = {TokenScope.COMPLETE, TokenScope.SEARCH}
ADMIN = {TokenScope.ADMIN, TokenScope.SEARCH}
FOR_ALL = (
    *("/", "/repositories", "/repositories/table", "/repository?name=shop", "/search", "/search?q=price"),
    *("/connect", "/latency", "/latency?by=model", "/latency/export", "/usage", "/usage/export"),
)
FOR_ADMINS = (
    *("/repositories/jobs", "/accounts", "/audit", "/audit/export"),
    *("/latency?by=team", "/latency/export?by=editor", "/usage?by=editor", "/usage/export?by=team"),
    *("/benchmarks", "/benchmarks/table", "/benchmarks/running"),
)
FORMS = ("/repositories", "/repository", "/job", "/accounts", "/usage", "/benchmarks", "/benchmark")
SEALED = (*FORMS, "/device", "/sign-out")
"""Every form of somebody who is signed in."""


class Company:
    """Ana reads ``shop``; root administrates, and reads nothing."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.accounts = Accounts(data)
        self.accounts.add_user("ana", ["shoppers"])
        self.accounts.add_user("root")
        self.accounts.add_to_group("shoppers", repositories=["shop"])
        self.ana, self.ana_secret = self.accounts.add_token("ana", READER)
        self.root, self.root_secret = self.accounts.add_token("root", ADMIN)

    def events(self, name: str) -> list[dict[str, object]]:
        return [event for event in map(json.loads, audit.read(self.data)) if event["event"] == name]


@pytest.fixture
def company(data: Path) -> Company:
    return Company(data)


async def test_a_token_is_shown_once_and_a_sign_in_stands_on_it(company: Company) -> None:
    async with team_server(company.data) as team, browsing(team.url) as ana:
        page = await ana.get("/repositories")
        assert (page.path, page.status) == ("/sign-in", 200)
        page = await ana.post("/sign-in", {"token": company.ana_secret, "to": "/repositories"})
        assert (page.path, page.status) == ("/repositories", 200)
        morsel = next(one for one in ana.client.cookie_jar if one.key == "hearth-session")
        assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Strict", "/")
        stored = b"".join(file.read_bytes() for file in company.data.glob(f"{FILE_NAME}*"))
        assert morsel.value.encode() not in stored
        assert company.ana_secret.encode() not in stored
        assert (company.data / FILE_NAME).stat().st_mode & 0o077 == 0
        company.accounts.revoke_token(company.ana.id)
        assert (await ana.get("/repositories")).path == "/sign-in"
    assert [event["user"] for event in company.events("signed-in")] == ["ana"]


async def test_a_sign_in_outlives_a_restart_and_ends_at_signing_out(company: Company) -> None:
    async with team_server(company.data) as team, browsing(team.url, company.ana_secret) as ana:
        secret = ana.cookie("hearth-session")
    async with team_server(company.data) as team, browsing(team.url) as ana:
        ana.hold("hearth-session", secret)
        assert "ana" in (await ana.get("/")).text
        assert (await ana.post("/sign-out", {})).path == "/sign-in"
        assert ana.cookie("hearth-session") == ""
        ana.hold("hearth-session", secret)
        assert (await ana.get("/")).path == "/sign-in"
    assert company.events("signed-out")


def test_a_sign_in_ends_after_its_time(tmp_path: Path) -> None:
    with SignIns(tmp_path) as sign_ins:
        secret = sign_ins.begin("token", 1000.0)
        assert sign_ins.find(secret, 1000.0 + LONGEST_SECONDS - 1) == "token"
        assert sign_ins.find(secret, 1000.0 + LONGEST_SECONDS) == ""
        assert sign_ins.find("", 1000.0) == sign_ins.find("\ud800", 1000.0) == ""


async def test_wrong_tokens_and_other_places_are_refused_at_signing_in(company: Company) -> None:
    async with team_server(company.data) as team, browsing(team.url) as nobody:
        await nobody.get("/sign-in")
        for wrong in ("", "x", company.ana_secret[:-1], "hearth_" + "a" * 59):
            page = await nobody.post("/sign-in", {"token": wrong})
            assert (page.status, page.path) == (401, "/sign-in")
            assert not nobody.cookie("hearth-session")
        assert (await nobody.get(f"/sign-in?token={company.ana_secret}")).status == 400
        await nobody.get("/sign-in")
        away = {"token": company.ana_secret, "to": "https://elsewhere.invalid/"}
        assert (await nobody.post("/sign-in", away)).path == "/"
    assert len(company.events("sign-in-refused")) == 4


async def test_over_tls_cookies_are_bound_to_the_host(company: Company, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    tls = f'[server.tls]\ncertificate = "{tmp_path / "cert.pem"}"\nkey = "{tmp_path / "key.pem"}"\n'
    async with team_server(company.data, tls) as team, browsing(team.url, company.ana_secret, ssl=False) as ana:
        morsel = next(one for one in ana.client.cookie_jar if one.key == "__Host-hearth-session")
        assert morsel["secure"]
        assert (await ana.get("/")).headers["Strict-Transport-Security"]


async def test_pages_are_for_those_who_may_and_for_nobody_else(company: Company) -> None:
    async with (
        team_server(company.data) as team,
        browsing(team.url) as nobody,
        browsing(team.url, company.ana_secret) as ana,
        browsing(team.url, company.root_secret) as root,
    ):
        for path in (*FOR_ALL, *FOR_ADMINS):
            assert (await nobody.get(path)).path == "/sign-in", path
        for path in FOR_ALL:
            assert (await ana.get(path)).status == 200, path
        for path in FOR_ADMINS:
            assert (await ana.get(path)).status == 403, path
            assert (await root.get(path)).status == 200, path
        for path in FORMS:
            await nobody.get("/sign-in")
            assert (await nobody.post(path, {})).path == "/sign-in", path
            await ana.get("/")
            assert (await ana.post(path, {"action": "pause", "name": "shop"})).status == 403, path
        # A token of the API opens no page: only forms of ours can sign in.
        headers = {"Authorization": f"Bearer {company.root_secret}"}
        async with aiohttp.ClientSession(team.url, headers=headers) as client, client.get("/accounts") as answer:
            assert answer.url.path == "/sign-in"


async def test_what_may_not_be_read_is_on_no_page(company: Company) -> None:
    with Queue(company.data) as queue:
        queue.register(Registered("secret", "https://git.example.invalid/secret.git", paused=True))
    async with (
        team_server(company.data) as team,
        browsing(team.url, company.ana_secret) as ana,
        browsing(team.url, company.root_secret) as root,
    ):
        for path in (*FOR_ALL, "/search?q=vault", "/search?q=price&repository=secret"):
            text = (await ana.get(path)).text.replace("secret</code>", "")
            assert not re.search(r">secret<|vault|tools", text.replace(path.partition("q=")[2], "")), path
        assert (await ana.get("/repository?name=secret")).status == 404
        assert (await ana.get("/repository?name=none")).status == 404
        # Whoever administrates is told what is registered and how fresh it is, not how much is in it.
        page = await root.get("/repository?name=secret")
        assert page.status == 200
        assert "indexed at" in page.text
        assert "Left out" not in page.text
        assert not re.search(r'<td class="number">\d', page.text)
        assert "shop" not in (await root.get("/repositories")).text.replace("shop.git", "").replace("SHOP_TOKEN", "")
        assert "0 places" in (await root.get("/search?q=price")).text


async def test_forms_of_others_are_refused(company: Company) -> None:
    async with (
        team_server(company.data) as team,
        browsing(team.url, company.root_secret) as root,
        browsing(team.url, company.ana_secret) as ana,
    ):
        fields = {"action": "add-user", "user": "mallory"}
        good = root.csrf
        for path in SEALED:
            for csrf in ("", "x", ana.csrf):
                root.csrf = csrf
                assert (await root.post(path, fields)).status == 403, path
            root.csrf = good
            assert (await root.post(path, fields, Origin="https://elsewhere.invalid")).status == 403, path
            assert (await root.post(path, fields, Origin="null")).status == 403, path
            async with root.client.post(path, data=fields | {"csrf": good}) as answer:
                assert answer.status == 403, "a browser names the origin of a form"
            async with root.client.post(path, json=fields | {"csrf": good}, headers={"Origin": team.url}) as answer:
                assert answer.status == 415, path
        assert "mallory" not in company.accounts.directory().users
        assert (await root.post("/accounts", fields)).status == 200
        assert "mallory" in company.accounts.directory().users


async def test_accounts_are_changed_and_who_did_it_is_written_down(company: Company) -> None:
    async with team_server(company.data) as team, browsing(team.url, company.root_secret) as root:

        async def change(action: str, **fields: str) -> tuple[int, str]:
            page = await root.post("/accounts", {"action": action, **fields})
            return page.status, page.text

        assert (await change("add-user", user="ben", groups="shoppers tinkers"))[0] == 200
        assert (await change("add-user", user="ben"))[0] == 400
        assert (await change("extend-group", group="tinkers", repositories="tools"))[0] == 200
        assert (await change("reduce-group", group="shoppers"))[0] == 400
        assert (await change("reduce-group", group="shoppers", users="ben"))[0] == 200
        assert company.accounts.reader.readable("ben", ["shop", "tools"]) == {"tools"}
        assert (await change("create-token", user="ben", days="7"))[0] == 400
        assert (await change("create-token", user="ben", days="-1", **{"scope-search": "1"}))[0] == 400
        status, text = await change("create-token", user="ben", days="7", label="<b>", **{"scope-search": "1"})
        (secret,) = re.findall(r"hearth_[a-z2-7]{59}", text)
        assert status == 200
        assert "&lt;b&gt;" in text
        assert secret not in (await root.get("/accounts")).text
        token = next(one for one in company.accounts.directory().tokens.values() if one.user == "ben")
        assert token.scopes == {TokenScope.SEARCH}
        async with browsing(team.url, secret) as ben:
            assert (await change("revoke-token", id=token.id))[0] == 200
            assert (await ben.get("/")).path == "/sign-in"
        assert (await change("remove-user", user="ben", confirm="bob"))[0] == 400
        assert (await change("remove-user", user="ben", confirm="ben"))[0] == 200
        assert (await change("burn-down"))[0] == 400
        assert "token-revoked" in (await root.get("/audit?event=token-revoked&user=root")).text
        exported = (await root.get("/audit/export?event=user-removed")).text
    assert [json.loads(line)["subject"] for line in exported.splitlines()] == ["ben"]
    assert "ben" not in company.accounts.directory().users
    changes = ("user-added", "group-extended", "group-reduced", "token-created", "token-revoked", "user-removed")
    assert [event["user"] for name in changes for event in company.events(name)] == ["root"] * len(changes)
    assert secret not in "".join(audit.read(company.data))


async def test_repositories_are_added_paused_and_removed_by_page(company: Company, tmp_path: Path) -> None:
    url = "https://git.example.invalid/acme/x.git"
    async with team_server(company.data) as team, browsing(team.url, company.root_secret) as root:
        refused = await root.post("/repositories", {"source": "file:///etc"})
        assert refused.status == 400
        assert "That was not done" in refused.text
        assert (await root.post("/repositories", {"source": url, "poll_minutes": "nan"})).status == 400
        assert (await root.post("/repositories", {"source": str(tmp_path)})).status == 400
        added = await root.post("/repositories", {"source": url, "name": "acme/x", "branches": "main release/*"})
        assert added.status == 200
        assert "/repository?name=acme/x" in added.text
        assert (await root.post("/repository", {"action": "pause", "name": "acme/x"})).status == 200
        follow = {"action": "follow", "name": "acme/x", "branches": "main", "poll_minutes": "5"}
        assert (await root.post("/repository", follow)).status == 200
        with Queue(company.data) as queue:
            known = queue.repository("acme/x")
            assert known is not None
            assert (known.paused, known.branches, known.poll_minutes) == (True, ("main",), 5.0)
        assert (await root.post("/repository", {"action": "remove", "name": "acme/x", "confirm": "x"})).status == 400
        assert (await root.post("/repository", {"action": "remove", "name": "none", "confirm": "none"})).status == 404
        removed = await root.post("/repository", {"action": "remove", "name": "acme/x", "confirm": "acme/x"})
        assert removed.status == 200
        assert (await root.post("/job", {"action": "retry", "id": "99999"})).status == 404
    assert [event["subject"] for event in company.events("repository-removed")] == ["acme/x"]


async def test_without_accounts_the_pages_are_for_this_machine_and_still_check_forms(data: Path) -> None:
    async with team_server(data) as team, browsing(team.url) as owner:
        assert "shop" in (await owner.get("/repositories")).text
        assert (await owner.post("/repository", {"action": "pause", "name": "none"})).status == 404
        assert (await owner.post("/accounts", {"action": "add-user", "user": "ana"})).status == 409
        owner.csrf = ""
        assert (await owner.post("/repository", {"action": "pause", "name": "none"})).status == 403
        async with owner.client.get("/", headers={"Host": "rebound.invalid"}) as answer:
            assert answer.status == 403


async def test_pages_let_a_browser_load_and_run_nothing_of_others(company: Company) -> None:
    async with team_server(company.data) as team, browsing(team.url, company.root_secret) as root:
        for path in ("/", "/accounts", "/repository?name=none", "/sign-in"):
            headers = (await root.get(path)).headers
            policy = headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';"), path
            assert "unsafe" not in policy
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
        assert (await root.get("/static/hearth.css")).status == 200
        assert (await root.get("/static/..%2Fdesk.py")).status == 404


def test_templates_hold_no_script_style_or_address_of_others() -> None:
    for template in resources.files("server.gateway.pages").joinpath("templates").iterdir():
        text = template.read_text()
        assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|\|\s*safe|(src|href)=\"(https?:)?//", text), template
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL)
        assert all("csrf" in form for form in forms), template
        assert len(forms) == text.count('method="post"'), template


async def test_a_newcomer_finds_what_to_install_and_what_to_write_where(company: Company) -> None:
    downloads = company.data / "downloads"
    async with team_server(company.data) as team, browsing(team.url, company.ana_secret) as ana:
        page = await ana.get("/connect")
        assert "The extension is not here yet. Ask an administrator" in page.text
        assert "There is nothing to download yet." in page.text
        downloads.mkdir()
        (downloads / "hearth.vsix").write_bytes(b"x" * 1_234_567)
        (downloads / "hearth.nvim.tar.gz").write_bytes(b"x" * 39_000)
        (downloads / "hearth-0.1.0-py3-none-any.whl").write_bytes(b"older")
        os.utime(downloads / "hearth-0.1.0-py3-none-any.whl", (1_700_000_000, 1_700_000_000))
        (downloads / "hearth-0.2.0-py3-none-any.whl").write_bytes(b"newer")
        (downloads / "notes.txt").write_bytes(b"not handed out")
        page = await ana.get("/connect")
        text = html.unescape(page.text)
        assert '<a href="/downloads/hearth.vsix">hearth.vsix</a> (1.2 MB)' in text
        assert '<td class="number">39.0 kB</td>' in text
        assert "2023-11-14 22:13 UTC" in text
        assert "code --install-extension hearth.vsix" in text
        assert f"{team.url}/downloads/hearth-0.2.0-py3-none-any.whl -o" in text
        assert f"hearth sign-in {team.url}" in text
        assert f'server = {{ url = "{team.url}" }}' in text
        assert f"{team.url}/downloads/hearth.nvim.tar.gz" in text
        assert "notes.txt" not in text
        links = set(re.findall(r'href="(/downloads/[^"]+)"', page.text))
        assert len(links) == 4
        for link in links:
            assert (await ana.get(link)).status == 200
    settings = '[server]\npublic_url = "https://hearth.example.com"\n'
    async with team_server(company.data, settings) as team, browsing(team.url, company.root_secret) as root:
        text = (await root.get("/connect")).text
        assert team.url not in text
        # The page and the plugin's own page have the same steps.
        steps = [step.replace("-0.1.0-", "-0.2.0-") for step in first_steps("neovim")[1:]]
        assert len(steps) == 4
        assert [step for step in steps if f"<code>{step}</code>" not in html.unescape(text)] == []
