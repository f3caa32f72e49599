"""What the team server bears: floods, nonsense, editors that do not read, certificates that change, a stop."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.editor import VSCODE_CAPABILITIES, ServerGone, connect_editor, open_editor
from server.accounts import Accounts, TokenScope
from tests.conftest import Repository
from tests.e2e.model_server import ModelServer
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.gateway.team import HEARTH, TeamServer, issue, remote, team_editor, team_server
from tests.server.indexed import build_index

ORDERS = (remote("shop") / "shop/orders.py").as_uri()
DRAFT = "from shop.pricing import Discount, round_price\n\n\ndef total(prices):\n    "


@asynccontextmanager
async def raw(team: TeamServer) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect without any manners."""
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{team.url}/lsp", compress=0) as socket:
        yield socket


async def answered(socket: aiohttp.ClientWebSocketResponse, identifier: int) -> Any:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            message = json.loads((await socket.receive()).data)
            if message.get("id") == identifier and "method" not in message:
                return message


def request(identifier: int, method: str, parameters: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "method": method, "params": parameters})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
METHODS = st.sampled_from([
    "initialize", "initialized", "textDocument/didOpen", "textDocument/didChange", "textDocument/inlineCompletion",
    "textDocument/hover", "workspace/executeCommand", "workspace/symbol", "hearth/search", "hearth/why", "hearth/file",
    "hearth/status", "hearth/didAcceptCompletion", "$/cancelRequest", "$/progress", "none/such",
])  # fmt: skip
MESSAGES = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40),
    JSON.map(json.dumps),
    st.fixed_dictionaries(
        {"jsonrpc": st.sampled_from(["2.0", "1.0"])},
        optional={"id": JSON, "method": METHODS, "params": JSON, "result": JSON, "error": JSON},
    ).map(json.dumps),
)


async def test_no_message_ends_a_session_or_another_one(data: Path) -> None:
    async with team_server(data) as team, team_editor(team) as other:
        loop = asyncio.get_running_loop()

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(MESSAGES, min_size=1, max_size=12))
        def bears(messages: list[str | bytes]) -> None:
            asyncio.run_coroutine_threadsafe(send(messages), loop).result(60)

        async def send(messages: list[str | bytes]) -> None:
            async with raw(team) as socket:
                for message in messages:
                    await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
                await socket.send_str(request(4711, "hearth/status", {}))
                assert (await answered(socket, 4711))["result"]["engine"]["rung"]

        await asyncio.to_thread(bears)
        assert (await other.request("hearth/status", {}))["index"]["state"] == "ready"


async def test_deeply_nested_json_costs_only_itself(data: Path) -> None:
    async with team_server(data) as team, raw(team) as socket:
        await socket.send_str("[" * 200_000)
        await socket.send_str(request(1, "hearth/status", {}))
        assert "result" in await answered(socket, 1)


async def test_a_message_that_is_too_large_ends_its_session_and_no_other(data: Path) -> None:
    limits = "[server.limits]\nmessage_bytes = 50000\n"
    async with team_server(data, limits) as team, team_editor(team) as other:
        async with raw(team) as socket:
            await socket.send_str("x" * 60_000)
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
        assert (await other.request("hearth/status", {}))["index"]["state"] == "ready"


async def test_an_editor_that_does_not_read_is_cut_off_and_slows_nobody(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    repository = Repository(tmp_path / "large")
    repository.git("init", "--quiet", "--initial-branch=main")
    lines = "".join(f"value_{number} = compute_value({number})\n" for number in range(10_000))
    repository.commit({"large.py": lines})
    build_index(tmp_path / "data", [repository]).close()
    limits = "[server.limits]\nunread_bytes = 1000000\n"
    async with team_server(tmp_path / "data", limits) as team, team_editor(team, "large") as other:
        async with raw(team) as socket:
            await socket.send_str(request(1, "initialize", {"capabilities": {}, "processId": None}))
            await answered(socket, 1)
            transport = socket._response.connection and socket._response.connection.transport
            assert isinstance(transport, asyncio.ReadTransport)
            transport.pause_reading()
            for number in range(200):
                await socket.send_str(request(100 + number, "hearth/file", {"repository": "large", "path": "large.py"}))
            for _ in range(20):
                found = await asyncio.wait_for(other.request("hearth/search", {"query": "compute value"}), WAIT_SECONDS)
                assert found["hits"]
            await until_metric(team, 'hearth_sessions_ended_total{reason="unread"} 1.0')
            transport.resume_reading()
            async with asyncio.timeout(WAIT_SECONDS):
                count = 0
                while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    count += 1
            assert count < 200
            assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        assert (await other.request("hearth/status", {}))["index"]["state"] == "ready"


async def test_a_flood_of_connections_is_bounded_and_passes(data: Path) -> None:
    limits = "[server.limits]\nconnections = 20\nheader_seconds = 2.0\n"
    async with team_server(data, limits) as team, team_editor(team) as other:
        address = urlsplit(team.url)
        streams = [await asyncio.open_connection(address.hostname, address.port) for _ in range(60)]
        for _, writer in streams:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: loca")
        # Those that found room are hung up on when the head of their request does not come to its end.
        async with asyncio.timeout(WAIT_SECONDS):
            for reader, _ in streams:
                with suppress(ConnectionError):
                    assert b"200 OK" not in await reader.read()
        assert (await other.request("hearth/status", {}))["index"]["state"] == "ready"
        for _, writer in streams:
            writer.close()
        async with team_editor(team) as later:
            assert (await later.request("hearth/status", {}))["index"]["state"] == "ready"


async def test_a_stop_lets_a_suggestion_end_and_sends_editors_away(data: Path) -> None:
    model = ModelServer()
    await model.start()
    try:
        async with team_server(data, patient_model(model.url) + PATIENT) as team, team_editor(team) as editor:
            editor.open(ORDERS, "python", DRAFT)
            asking = asyncio.create_task(editor.complete(ORDERS, 4, 4, automatic=False))
            call = await asyncio.wait_for(model.calls.get(), WAIT_SECONDS)
            call.write("return ")
            team.process.send_signal(signal.SIGTERM)
            await until_refused(team)
            call.write("round_price(sum(prices))", None)
            streamed = await asyncio.wait_for(asking, WAIT_SECONDS)
            assert streamed.result["items"][0]["insertText"] == "return round_price(sum(prices))"
            with pytest.raises(ServerGone, match="1012 service restart"):
                await editor.wait_for_notification("never", timeout_s=WAIT_SECONDS)
            assert await team.stop() == 0
    finally:
        await model.stop()


async def test_a_stop_does_not_wait_for_ever(data: Path) -> None:
    model = ModelServer()
    await model.start()
    try:
        settings = f"{patient_model(model.url)}{PATIENT}[server]\ndrain_seconds = 0.3\n"
        async with team_server(data, settings) as team, team_editor(team) as editor:
            editor.open(ORDERS, "python", DRAFT)
            asking = asyncio.create_task(editor.complete(ORDERS, 4, 4, automatic=False))
            call = await asyncio.wait_for(model.calls.get(), WAIT_SECONDS)
            call.write("return ")
            assert await team.stop() == 0
            await asyncio.wait_for(call.closed.wait(), WAIT_SECONDS)
            with pytest.raises(Exception, match=r"1012|ended|cancel"):
                await asking
    finally:
        await model.stop()


async def test_a_new_certificate_counts_without_a_restart_and_a_wrong_one_does_not(data: Path, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    certificate, key, ca = tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    issue(authority, certificate, key)
    with Accounts(data) as accounts:
        accounts.add_user("ana")
        _, secret = accounts.add_token("ana", {TokenScope.SEARCH})
    (tmp_path / "token").write_text(secret)
    where = f'[server]\nhost = "0.0.0.0"\n[server.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
    async with team_server(data, where) as team:
        url = team.url.replace("0.0.0.0", "127.0.0.1")
        port = urlsplit(url).port
        trusting = ssl.create_default_context(cafile=str(ca))
        async with connect_editor(url, token=secret, ssl=trusting) as editor:
            await editor.initialize(remote("shop"), VSCODE_CAPABILITIES)
            before = await served(port)
            key.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
            team.process.send_signal(signal.SIGHUP)
            assert await served(port) == before
            issue(authority, certificate, key)
            team.process.send_signal(signal.SIGHUP)
            await until_served_another(port, before)
            assert (await editor.request("hearth/status", {}))["engine"]
        options = ["--token-file", str(tmp_path / "token"), "--ca", str(ca)]
        async with open_editor([*HEARTH, "connect", url, *options]) as editor:
            await editor.initialize(remote("shop"), VSCODE_CAPABILITIES)
            assert (await editor.request("hearth/status", {}))["engine"]
        stranger.cert_pem.write_to_path(str(ca))
        async with open_editor([*HEARTH, "connect", url, *options]) as editor:
            beginning = asyncio.create_task(editor.initialize(remote("shop"), VSCODE_CAPABILITIES))
            shown = await editor.wait_for_notification("window/showMessage", timeout_s=WAIT_SECONDS)
            assert "--ca" in shown["message"]
            with pytest.raises(Exception, match="not trusted"):
                await beginning


async def served(port: int | None) -> str:
    assert port is not None
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))


async def until_served_another(port: int | None, before: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if await served(port) != before:
                return
            await asyncio.sleep(0.05)


async def until_refused(team: TeamServer) -> None:
    """Wait until the server takes no more connections."""
    address = urlsplit(team.url)
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(address.hostname, address.port)
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def until_metric(team: TeamServer, line: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS), aiohttp.ClientSession() as client:
        while True:
            async with client.get(f"{team.url}/metrics") as answer:
                if line in (await answer.text()).splitlines():
                    return
            await asyncio.sleep(0.05)
