"""A real nginx in front of a real team server, with the example of docs/operations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from ssl import SSLContext, create_default_context

import aiohttp
import pytest
import trustme

from benchmarks.editor import VSCODE_CAPABILITIES, connect_editor
from server.accounts import Accounts
from server.accounts.tokens import EDITOR_SCOPES
from server.gateway import audit
from tests.e2e.model_server import ModelServer, running_model_server
from tests.operations.services import DOCS, install_services, running
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.gateway.team import TeamServer, issue, remote, team_server

pytestmark = pytest.mark.real

ORDERS = (remote("shop") / "shop/orders.py").as_uri()
DRAFT = "from shop.pricing import Discount, round_price\n\n\ndef total(prices):\n    "
EACH = 2
PROXIED = '[server]\nbehind_proxy = true\ntrusted_proxies = ["127.0.0.1"]\n'


@asynccontextmanager
async def proxied(folder: Path, team: TeamServer, port: int) -> AsyncIterator[tuple[str, SSLContext]]:
    """Run nginx with the example, its names and ports made to fit; yields its address and whom to trust."""
    authority = trustme.CA()
    issue(authority, folder / "fullchain.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    example = (DOCS / "nginx.conf").read_text()
    for name, put in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("hearth.example.com", "localhost"),
        ("/etc/nginx/hearth", str(folder)),
        ("127.0.0.1:8642", team.url.removeprefix("http://")),
        ("hearth_client 64", f"hearth_client {EACH}"),
    ):
        assert name in example
        example = example.replace(name, put)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}\n{example}\n}}\n"
    )
    trusted = create_default_context(cafile=str(folder / "ca.pem"))
    command = (install_services() / "nginx", "-p", folder, "-c", folder / "nginx.conf")
    async with running(*command, ready=f"https://127.0.0.1:{port}/healthz", ssl=trusted):
        yield f"https://127.0.0.1:{port}", trusted


async def complete(url: str, trusted: SSLContext, token: str, model: ModelServer) -> list[str]:
    """Have a suggestion written token by token; return the texts that the editor saw on the way."""
    async with connect_editor(url, token=token, ssl=trusted) as editor:
        await editor.initialize(remote("shop"), VSCODE_CAPABILITIES)
        editor.open(ORDERS, "python", DRAFT)
        seen = asyncio.Event()
        asking = asyncio.create_task(editor.complete(ORDERS, 4, 4, automatic=False, on_part=lambda *_: seen.set()))
        call = await model.next_call()
        call.write("return ", "round_price")
        # What is written reaches the editor before there is more.
        await asyncio.wait_for(seen.wait(), WAIT_SECONDS)
        call.write("(sum(prices))", None)
        streamed = await asyncio.wait_for(asking, WAIT_SECONDS)
        return [item["insertText"] for item in streamed.result["items"]]


async def flood(url: str, trusted: SSLContext, data: Path) -> None:
    """Hold as many answers as one client may, reading none of them, and ask for more."""
    (data / "downloads").mkdir()
    (data / "downloads" / "hearth.vsix").write_bytes(bytes(64_000_000))
    connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as client, AsyncExitStack() as held:
        for _ in range(EACH):
            answer = await held.enter_async_context(client.get("/downloads/hearth.vsix"))
            assert answer.status == 200
        async with client.get("/healthz") as answer:
            assert answer.status == 429
        # Editors of the same office are let in, or told that they are not, as ever.
        async with client.get("/lsp") as answer:
            assert answer.status == 401


async def test_editors_stream_through_it_and_nobody_passes_for_this_machine(
    data: Path, tmp_path: Path, unused_port: int
) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["backend"])
        accounts.add_to_group("backend", repositories=["shop"])
        _, token = accounts.add_token("ana", EDITOR_SCOPES)
    async with running_model_server() as model:
        settings = PROXIED + patient_model(model.url) + PATIENT
        async with team_server(data, settings) as team, proxied(tmp_path, team, unused_port) as (url, trusted):
            assert await complete(url, trusted, token, model) == ["return round_price(sum(prices))"]
            async with aiohttp.ClientSession(url) as client:
                async with client.get("/metrics", ssl=trusted) as answer:
                    assert answer.status == 401
                async with client.get("/sign-in", ssl=trusted) as answer:
                    assert answer.status == 200
            await flood(url, trusted, data)
            # A new process in the old one's place: editors come back through the same proxy.
            await team.stop()
            port = team.url.rpartition(":")[2]
            async with team_server(data, settings, "--port", port):
                assert await complete(url, trusted, token, model) == ["return round_price(sum(prices))"]
    opened = [entry for entry in map(json.loads, audit.read(data)) if entry["event"] == "session-opened"]
    assert len(opened) == 2
