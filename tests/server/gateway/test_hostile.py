"""What attackers send: nothing of it leads out of where it belongs, into a log as something else, or past a form."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import urlsplit

import aiohttp
import pytest

from benchmarks.editor import connect_editor
from indexer.queue import Queue
from indexer.queue import Repository as Registered
from server.accounts import Accounts, TokenScope
from server.gateway import audit
from server.gateway.application import make_application
from server.gateway.flood import PerMinute
from server.gateway.responses import SECURITY_HEADERS
from tests.patience import WAIT_SECONDS
from tests.server.gateway.browser import browsing
from tests.server.gateway.team import TeamServer, remote, team_editor, team_server
from tests.server.gateway.test_pages import SEALED

OUTSIDE = (
    "../hearth.sqlite",
    "..%2fhearth.sqlite",
    "%2e%2e/hearth.sqlite",
    "%2e%2e%2fhearth.sqlite",
    "..%5chearth.sqlite",
    "....//hearth.sqlite",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "plugin.vsix%00.txt",
    "plugin.vsix/../../hearth.sqlite",
    "link.vsix",
    ".hidden.vsix",
)
FORGED = "x\r\nSet-Cookie: a=b\r\n2026-01-01 00:00:00,000 INFO server: forged\x1b[31m"


async def raw_answer(team: TeamServer, request: bytes) -> bytes:
    """Send bytes as they are, which no client would, and return all of what comes back."""
    address = urlsplit(team.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request)
    async with asyncio.timeout(WAIT_SECONDS):
        answer = await reader.read()
    writer.close()
    return answer


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


async def test_no_path_leads_out_of_its_directory(data: Path) -> None:
    downloads = data / "downloads"
    downloads.mkdir()
    (downloads / "plugin.vsix").write_bytes(b"a plugin")
    (downloads / "link.vsix").symlink_to(data / "hearth.sqlite")
    (downloads / ".hidden.vsix").write_bytes(b"hidden")
    async with team_server(data) as team, team_editor(team) as editor:
        assert (await raw_answer(team, get("/downloads/plugin.vsix"))).endswith(b"a plugin")
        for path in OUTSIDE:
            for below in ("/downloads/", "/static/", "/api/v1/suggestions/", "/", "/repository?name="):
                answer = await raw_answer(team, get(below + path))
                assert answer.startswith((b"HTTP/1.1 40", b"HTTP/1.1 404", b"HTTP/1.0 400")), (
                    below + path,
                    answer[:80],
                )
                for content in (b"SQLite format", b"root:", b"hidden"):
                    assert content not in answer
            told = await editor.request("hearth/file", {"repository": "shop", "path": path})
            assert not (told or {}).get("text"), path
            told = await editor.request("hearth/file", {"repository": path, "path": "shop/pricing.py"})
            assert not (told or {}).get("text"), path


async def test_no_header_forges_a_header_or_an_entry_of_a_log(data: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["shoppers"])
        accounts.add_to_group("shoppers", repositories=["shop"])
        _, secret = accounts.add_token("ana", set(TokenScope))
    async with team_server(data) as team:
        for name in ("User-Agent", "X-Forwarded-For", "X-Request-Id", "Referer", "Authorization", "Host", "Origin"):
            for value in ("\x1b[31mred", "a\tb", "\udcff\udcfe", "x" * 4000, "a\rb"):
                answer = await raw_answer(team, get("/api/v1/status", f"{name}: {value}"))
                assert answer.startswith(b"HTTP/1."), (name, value)
                head = answer.partition(b"\r\n\r\n")[0]
                assert b"\x1b" not in answer
                assert b"\nSet-Cookie" not in head
        for path in ("/sign-in?to=/%0d%0aSet-Cookie:%20a=b", "/%0d%0aSet-Cookie:%20a=b", "/repository?name=%0d%0aa:b"):
            answer = await raw_answer(team, get(path, f"Authorization: Bearer {secret}"))
            assert b"\nSet-Cookie: a=b" not in answer.partition(b"\r\n\r\n")[0]
        async with connect_editor(team.url, token=secret) as editor:
            params = {
                "processId": None,
                "capabilities": {},
                "clientInfo": {"name": FORGED, "version": FORGED},
                "workspaceFolders": [{"uri": remote("shop").as_uri(), "name": FORGED}],
                "initializationOptions": {"repositories": [{"uri": FORGED, "remote": FORGED, "head": FORGED}]},
            }
            await editor.request("initialize", params)
            for method in (FORGED, "hearth/search"):
                with pytest.raises(Exception, match=r"\(-?\d+\)|Set-Cookie"):
                    await editor.request(method, {"query": 3, FORGED: FORGED})
        async with aiohttp.ClientSession(team.url, headers={"Authorization": f"Bearer {secret}"}) as client:
            for fields in (
                {"source": FORGED},
                {"source": "/srv/x", "name": FORGED},
                {"source": "x", "branches": [FORGED]},
            ):
                async with client.post("/api/v1/registrations", json=fields) as refused:
                    assert refused.status == 400
            async with client.post("/api/v1/hooks/push", json={"repository": FORGED, "refs": [FORGED]}) as refused:
                assert refused.status in {400, 404}
    log = team.log.read_text()
    assert "\x1b" not in log
    assert not [line for line in log.splitlines() if line.startswith("2026-01-01 00:00:00,000")]
    assert secret not in log
    for line in audit.read(data):
        assert isinstance(json.loads(line), dict)
        assert "\x1b" not in line


async def test_cookies_that_are_no_text_are_none_of_ours_and_no_failure(data: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana")
    async with team_server(data) as team:
        for cookie in ("hearth-form=\udcff", "hearth-session=\udcff", "hearth-provider=\udcff"):
            answer = await raw_answer(team, get("/sign-in", f"Cookie: {cookie}"))
            assert answer.startswith(b"HTTP/1.1 200"), cookie
    assert "Traceback" not in team.log.read_text()


async def test_a_form_that_arrives_after_its_sender_was_shut_out_changes_nothing(data: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("root")
        token, secret = accounts.add_token("root", {TokenScope.ADMIN})
        async with team_server(data) as team, browsing(team.url, secret) as root:
            body = f"csrf={root.csrf}&action=add-user&user=mallory".encode()
            head = get(
                "/accounts",
                f"Origin: {team.url}",
                f"Cookie: hearth-session={root.cookie('hearth-session')}",
                "Content-Type: application/x-www-form-urlencoded",
                f"Content-Length: {len(body)}",
            )
            head = head.replace(b"GET", b"POST", 1).replace(b"localhost", urlsplit(team.url).netloc.encode())
            address = urlsplit(team.url)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(head + body[:-1])
            # Answered after the head of the form was: by then the server waits for the rest of it.
            await root.get("/")
            accounts.revoke_token(token.id)
            writer.write(body[-1:])
            async with asyncio.timeout(WAIT_SECONDS):
                answer = await reader.read()
            writer.close()
        assert answer.startswith(b"HTTP/1.1 303")
        assert b"Location: /sign-in\r\n" in answer
        assert set(accounts.directory().users) == {"root"}


BODIES = {
    ("POST", "/api/v1/registrations"): {"source": "/srv/mallory.git"},
    ("PATCH", "/api/v1/registrations/shop"): {"paused": False},
    ("PUT", "/api/v1/prices"): {"currency": "XYZ", "models": []},
    ("POST", "/api/v1/benchmarks"): {"repository": "shop"},
    ("POST", "/api/v1/hooks/push"): {"version": 1, "repository": "shop", "updates": []},
}


async def test_a_body_that_arrives_after_its_sender_was_shut_out_changes_nothing(data: Path) -> None:
    with Queue(data) as queue:
        queue.register(Registered("shop", str(data / "shop.git"), paused=True))
    with Accounts(data) as accounts:
        accounts.add_user("root")
        token, secret = accounts.add_token("root", set(TokenScope))
        # Sent in full, each of them would be done or refused for what it asks.
        async with team_server(data) as team, aiohttp.ClientSession(team.url) as client:
            address = urlsplit(team.url)
            streams = []
            for (method, path), fields in BODIES.items():
                body = json.dumps(fields).encode()
                head = get(
                    path,
                    f"Authorization: Bearer {secret}",
                    "Content-Type: application/json",
                    f"Content-Length: {len(body)}",
                )
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                writer.write(head.replace(b"GET", method.encode(), 1) + body[:-1])
                streams.append((path, reader, writer, body[-1:]))
            # Answered after the heads of the others were: by then the server waits for the rest of them.
            async with client.get("/healthz") as answer:
                assert answer.status == 200
            accounts.revoke_token(token.id)
            for path, reader, writer, rest in streams:
                writer.write(rest)
                async with asyncio.timeout(WAIT_SECONDS):
                    refusal = await reader.read()
                writer.close()
                assert refusal.startswith(b"HTTP/1.1 401"), path
                assert b"while the request was on its way" in refusal, path
    with Queue(data) as queue:
        assert [(one.name, one.paused) for one in queue.repositories()] == [("shop", True)]
        assert [job.reason for job in queue.jobs()] == ["start"]
    noted = {json.loads(line)["event"] for line in audit.read(data)}
    assert not noted & {"repository-added", "repository-resumed", "prices-set", "benchmark-started"}


def test_every_body_that_is_read_on_behalf_of_somebody_is_tried_late() -> None:
    # Asked for without a body, or by whoever proves something else than a token.
    others = {"/retry", "/device", "/device/token", "/webhooks/{forge}"}
    found = {
        (route.method, route.resource.canonical.replace("{name}", "shop"))
        for route in routes()
        if route.method in {"POST", "PUT", "PATCH"}
        and route.resource.canonical.startswith("/api/v1/")
        and not route.resource.canonical.endswith(tuple(others))
    }
    assert found == set(BODIES)


async def test_a_token_in_an_address_is_refused_wherever_it_stands(data: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana")
        _, secret = accounts.add_token("ana", set(TokenScope))
    async with team_server(data) as team, aiohttp.ClientSession(team.url) as client:
        for route in routes():
            if route.method == "GET":
                path = route.resource.canonical.replace("{name}", "x").replace("{id}", "x").replace("{forge}", "github")
                for query in (f"?token={secret}", f"?x={secret}", "?Access_Token=x", "?API_KEY=x"):
                    async with client.get(path + query, allow_redirects=False) as answer:
                        assert answer.status == 400, path + query
    assert secret not in team.log.read_text()
    assert secret not in "".join(audit.read(data))


def routes() -> list[Any]:
    """Return every route of the server."""
    parts = MagicMock()
    parts.config.trusted_proxies = ()
    parts.config.limits.request_seconds = 1.0
    parts.provider = None
    application = make_application(parts)
    return [route for route in application.router.routes() if route.resource is not None and route.method != "HEAD"]


async def test_a_content_type_without_end_is_refused_unread(data: Path) -> None:
    async with team_server(data) as team, aiohttp.ClientSession() as http:
        for path in ("/sign-in", "/api/v1/device", "/nothing/there"):
            headers = {"Content-Type": f"application/json{';' * 7000}"}
            async with http.post(f"{team.url}{path}", data=b"{}", headers=headers) as answer:
                assert answer.status == 415


@pytest.mark.parametrize("encoding", ["punycode", "utf-16", "hex", "none there is", "utf-8"])
async def test_a_form_of_another_encoding_is_refused_unread(data: Path, encoding: str) -> None:
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={encoding}"}
    async with team_server(data) as team, aiohttp.ClientSession() as http:
        headers["Origin"] = team.url
        async with http.post(f"{team.url}/sign-in", data=b"token=\xff-\xfe", headers=headers) as answer:
            assert answer.status == (400 if encoding == "utf-8" else 415)
    assert "Traceback" not in team.log.read_text()


MALFORMED = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer hearth_withheld\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /api/v1/device HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"POST /api/v1/webhooks/github HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
)


async def test_a_flood_of_what_is_no_request_costs_a_line_each_and_not_for_ever(data: Path) -> None:
    async with team_server(data) as team:
        for _ in range(15):
            for request in MALFORMED:
                # What the server hangs up on before it has read all of it may cost the answer.
                with suppress(ConnectionError):
                    assert (await raw_answer(team, request)).startswith(b"HTTP/1.0 400")
    said = re.compile(r"[-\d]+ [:,\d]+ \d+ WARNING aiohttp\.server: a request from 127\.0\.0\.1 cannot be read: \w+")
    lines = [line for line in team.log.read_text().splitlines() if " server." not in line]
    assert [line for line in lines if not said.match(line)] == []
    # Over the end of a minute, twice as many.
    assert 60 <= len(lines) <= 105
    assert "withheld" not in team.log.read_text()


async def test_what_is_no_request_is_answered_in_the_form_of_all_others(data: Path) -> None:
    async with team_server(data) as team:
        for request in MALFORMED:
            head, _, body = (await raw_answer(team, request)).partition(b"\r\n\r\n")
            for name, value in SECURITY_HEADERS.items():
                assert f"{name}: {value}".encode() in head.split(b"\r\n"), request
            assert json.loads(body)["error"]["message"] == "This is no request that can be read."


async def test_the_rest_of_a_body_that_cannot_be_read_is_not_waited_for(data: Path) -> None:
    fields = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    with Accounts(data) as accounts:
        accounts.add_user("ana")
    async with team_server(data, "[server.limits]\nrequest_seconds = 600.0\n") as team:
        address = urlsplit(team.url)
        for path in ("/api/v1/device", "/api/v1/device/token", "/nothing/there"):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            head = get(path, *fields).replace(b"GET", b"POST", 1).replace(b"Connection: close\r\n", b"")
            writer.write(head + b"1\r\n{\r\n")
            # Answered after the head was: by then the server waits for the body.
            async with aiohttp.ClientSession(team.url) as client, client.get("/healthz") as answer:
                assert answer.status == 200
            writer.write(b"zz\r\n")
            async with asyncio.timeout(60):
                told = await reader.read()
            writer.close()
            assert told.startswith(b"HTTP/1.1 404" if path == "/nothing/there" else b"HTTP/1.1 400"), path
            assert told.count(b"HTTP/1.") == 1
    assert "Traceback" not in team.log.read_text()


def test_a_flood_leaves_its_number_behind() -> None:
    now = 0.0
    bound = PerMinute(lambda: now)
    assert [bound.take() for _ in range(100)] == [(True, 0)] * 60 + [(False, 0)] * 40
    now = 60.0
    assert [bound.take() for _ in range(2)] == [(True, 40), (True, 0)]
    now = 120.0
    assert bound.take() == (True, 0)


async def test_a_body_that_is_not_what_its_head_says_is_refused_without_a_word_of_it(data: Path) -> None:
    fields = ("Content-Type: application/json", "Content-Encoding: gzip", "Content-Length: 4")
    with Accounts(data) as accounts:
        accounts.add_user("ana")
    async with team_server(data) as team, aiohttp.ClientSession(team.url) as client:
        address = urlsplit(team.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(get("/api/v1/device", *fields).replace(b"GET", b"POST", 1))
        # Answered after the head was: by then the server waits for the body.
        async with client.get("/healthz") as answer:
            assert answer.status == 200
        writer.write(b"abcd")
        async with asyncio.timeout(WAIT_SECONDS):
            told = await reader.read()
        writer.close()
    assert told.startswith(b"HTTP/1.1 400")
    assert b"not what the head of the request says" in told
    assert "Traceback" not in team.log.read_text()


def test_every_form_is_tried_by_others() -> None:
    ours = {route.resource.canonical for route in routes() if route.method == "POST"}
    forms = {path for path in ours if not path.startswith("/api/")}
    # Signing in is the one form of somebody who is not signed in, with a seal and a test of its own.
    assert forms == {*SEALED, "/sign-in"}


def test_every_form_of_a_template_is_sealed() -> None:
    found = 0
    for template in resources.files("server.gateway.pages").joinpath("templates").iterdir():
        text = template.read_text(encoding="utf-8")
        for form in text.split("<form")[1:]:
            if 'method="post"' in form.partition("</form>")[0]:
                found += 1
                assert "csrf" in form.partition("</form>")[0], template.name
    assert found >= 8


def test_nothing_but_reading_is_done_without_a_form_or_a_token() -> None:
    for route in routes():
        assert route.method in {"GET", "POST", "PUT", "PATCH", "DELETE"}
        if route.method not in {"GET", "POST"}:
            # A browser sends none of these from a page of another site without asking first, and cookies open no API.
            assert route.resource.canonical.startswith("/api/v1/")
