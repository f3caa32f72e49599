"""``hearth connect``: the real command between an editor and a real server, also while that one is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.editor import VSCODE_CAPABILITIES, Editor, ServerAnsweredError, open_editor
from server.accounts import Accounts, TokenScope
from server.lsp.bridge.clones import describe, remote
from server.lsp.bridge.shadow import Shadow
from tests.conftest import Repository
from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import HEARTH, team_server

TEXT = "from shop.pricing import Discount\n\n\ndef total(prices):\n    return\n"


@asynccontextmanager
async def connected(url: str, *options: str) -> AsyncIterator[Editor]:
    async with open_editor([*HEARTH, "connect", url, *options]) as editor:
        yield editor


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the repository that the server has as ``shop``, in a directory of another name."""
    path = tmp_path / "my-working-copy"
    path.mkdir()
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.git("remote", "add", "origin", "https://ana:geheim@git.example.invalid/team/shop.git")
    repository.commit({"a.py": TEXT})
    return path


async def hovered(editor: Editor, uri: str, line: int, character: int) -> str:
    place = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
    found = await editor.request("textDocument/hover", place)
    return str(found["contents"]["value"]) if found else ""


async def test_an_editor_notices_nothing_of_a_restart_but_the_status(data: Path, clone: Path, unused_port: int) -> None:
    uri = (clone / "a.py").as_uri()
    options = ("--port", str(unused_port))
    url = f"http://127.0.0.1:{unused_port}"
    async with connected(url) as editor:
        async with team_server(data, "", *options) as team:
            capabilities = await editor.initialize(clone, VSCODE_CAPABILITIES)
            assert capabilities["inlineCompletionProvider"] is not None
            editor.open(uri, "python", TEXT)
            assert "reduction in percent" in await hovered(editor, uri, 0, 27)
            assert await team.stop() == 0
        lost = await editor.wait_for_notification(
            "hearth/status", lambda value: url in value["engine"]["detail"], timeout_s=WAIT_SECONDS
        )
        assert lost["engine"]["rung"] == "quiet"
        assert lost["connected"] is False
        with pytest.raises(ServerAnsweredError, match="not connected"):
            await hovered(editor, uri, 0, 27)
        editor.insert(uri, 0, 33, ", round_price")
        editor.insert(uri, 4, 10, " 1")
        async with team_server(data, "", *options):
            await until_hover(editor, uri, (0, 36), "Round to whole cents")
            found = await editor.request("hearth/search", {"query": "formatPrice"})
            assert {hit["repository"] for hit in found["hits"]}
    assert not [params for _, method, params in editor.notifications if method == "window/showMessage"][1:]


async def test_the_server_learns_which_repositories_the_folders_are_now(
    data: Path, clone: Path, tmp_path: Path
) -> None:
    tree = Repository(clone)
    tree.git("remote", "set-url", "origin", "https://git.example.invalid/team/shop-of-another-team.git")
    async with team_server(data) as team, connected(team.url) as editor:
        await editor.initialize(tmp_path / "elsewhere", VSCODE_CAPABILITIES)
        added = {"uri": clone.as_uri(), "name": "clone"}
        change = {"event": {"added": [added], "removed": []}}
        editor.notify("workspace/didChangeWorkspaceFolders", change)
        assert await found_at(editor) == ""
        tree.git("remote", "set-url", "origin", "https://git.example.invalid/team/shop.git")
        await until_found(editor, lambda uri: uri.startswith(clone.as_uri()))
        editor.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [added]}})
        await until_found(editor, lambda uri: uri == "")


async def until_found(editor: Editor, accept: Callable[[str], bool]) -> None:
    """Search until the server says the right thing: it is told of a change in the background."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if accept(await found_at(editor)):
                return
            await asyncio.sleep(0.05)


async def found_at(editor: Editor) -> str:
    """Return where the editor has what is found in ``shop``; empty when the server knows of no such place."""
    found = await editor.request("hearth/search", {"query": "Discount", "repository": "shop"})
    return str(found["hits"][0].get("uri", ""))


async def test_a_server_that_is_not_there_yet_is_waited_for(data: Path, clone: Path, unused_port: int) -> None:
    async with connected(f"http://127.0.0.1:{unused_port}") as editor:
        beginning = asyncio.create_task(editor.initialize(clone, VSCODE_CAPABILITIES))
        told = await editor.wait_for_notification("window/showMessage", timeout_s=WAIT_SECONDS)
        assert told["message"].endswith("cannot be reached: Connection refused")
        async with team_server(data, "", "--port", str(unused_port)):
            async with asyncio.timeout(WAIT_SECONDS):
                await beginning
            hits = (await editor.request("hearth/search", {"query": "format price"}))["hits"]
            assert hits
            # The clone is known by its remote, so that files of the repository open in it.
            assert any(hit.get("uri", "").startswith(clone.as_uri()) for hit in hits)


async def test_a_proxy_that_lets_nobody_through_is_named(
    monkeypatch: pytest.MonkeyPatch, clone: Path, unused_port: int
) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    gone = f"names, 127.0.0.1:{unused_port}: Connection refused"
    async with proxy:
        for place, words in (
            (f"ana:secret@127.0.0.1:{port}", "answered 407 Proxy Authentication Required"),
            (f"127.0.0.1:{unused_port}", gone),
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://{place}")
            async with connected("https://hearth.example.invalid") as editor:
                beginning = asyncio.create_task(editor.initialize(clone, VSCODE_CAPABILITIES))
                said = await editor.wait_for_notification("window/showMessage", timeout_s=WAIT_SECONDS)
                assert "the proxy that the environment names" in said["message"]
                assert said["message"].endswith(words)
                assert "secret" not in said["message"]
                beginning.cancel()


async def test_who_is_not_let_in_is_told_why_and_comes_in_with_another_token(
    data: Path, tmp_path: Path, clone: Path
) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana")
        token, secret = accounts.add_token("ana", {TokenScope.COMPLETE})
        _, later = accounts.add_token("ana", {TokenScope.COMPLETE})
    file = tmp_path / "token"
    async with team_server(data) as team, connected(team.url, "--token-file", str(file)) as editor:
        beginning = asyncio.create_task(editor.initialize(clone, VSCODE_CAPABILITIES))
        await told(editor, "cannot be read")
        file.write_text("hearth_mistyped\n")
        await told(editor, "not a whole token")
        file.write_text(f"{secret}\n")
        async with asyncio.timeout(WAIT_SECONDS):
            await beginning
        assert len(messages(editor)) == 2
        with Accounts(data) as accounts:
            accounts.revoke_token(token.id)
        await told(editor, "revoked")
        assert (await told_status(editor))["connected"] is False
        file.write_text(f"{later}\n")
        await until_connected(editor)
        assert len(messages(editor)) == 3


async def test_who_may_not_come_in_at_all_is_told_why_at_the_beginning(
    data: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("prometheus")
        _, secret = accounts.add_token("prometheus", {TokenScope.METRICS})
    async with team_server(data) as team:
        # What stands in the environment of a process stays as it is.
        for token, why in ((secret, "not for complete"), (secret[:-1], "not a whole token")):
            monkeypatch.setenv("HEARTH_TOKEN", token)
            async with connected(team.url) as editor:
                with pytest.raises(ServerAnsweredError, match=why):
                    await editor.initialize(clone, VSCODE_CAPABILITIES)
                [message] = messages(editor)
                assert why in message


async def test_what_is_too_large_is_left_out_and_the_rest_goes_on(data: Path, clone: Path) -> None:
    async with team_server(data, "[server.limits]\nmessage_bytes = 100000\n") as team, connected(team.url) as editor:
        await editor.initialize(clone, VSCODE_CAPABILITIES)
        uri = (clone / "a.py").as_uri()
        editor.open(uri, "python", TEXT)
        editor.open((clone / "large.py").as_uri(), "python", "value = 1\n" * 50_000)
        shown = await editor.wait_for_notification("window/showMessage", timeout_s=WAIT_SECONDS)
        assert "large.py" in shown["message"]
        await until_hover(editor, uri, (0, 27), "reduction in percent")


@pytest.mark.parametrize("url", ["http://hearth.example.invalid", "https://ana:secret@host", "host:80", "ftp://host"])
async def test_an_address_that_would_leak_or_is_none_is_refused(url: str) -> None:
    process = await asyncio.create_subprocess_exec(*HEARTH, "connect", url, stderr=asyncio.subprocess.PIPE)
    _, told = await process.communicate()
    assert process.returncode == 2
    assert "https://" in told.decode()


def test_a_clone_is_described_without_its_credentials(clone: Path) -> None:
    assert remote(clone / ".git") == "https://git.example.invalid/team/shop.git"
    [claim] = describe({"workspaceFolders": [{"uri": (clone / "sub").as_uri(), "name": "sub"}]})
    assert claim["uri"] == clone.as_uri()
    assert claim["head"] == "main"
    assert describe({"workspaceFolders": None, "rootUri": None}) == []


def test_the_shadow_has_every_document_as_the_editor_has_it() -> None:
    shadow = Shadow()
    shadow.note_initialize({"workspaceFolders": [{"uri": "file:///a", "name": "a"}]})
    assert shadow.replay() == []
    shadow.note("initialized", {})
    shadow.note("textDocument/didOpen", {"textDocument": opened("file:///a/x", "😀 one\r\ntwo\r\n")})
    shadow.note("textDocument/didOpen", {"textDocument": opened("file:///a/y", "gone")})
    shadow.note("textDocument/didClose", {"textDocument": {"uri": "file:///a/y"}})
    span = {"start": {"line": 0, "character": 3}, "end": {"line": 0, "character": 6}}
    changed = {"textDocument": {"uri": "file:///a/x", "version": 2}, "contentChanges": [{"range": span, "text": "1"}]}
    shadow.note("textDocument/didChange", changed)
    odd: list[Any] = [None, [], {"textDocument": 3}, {"textDocument": {}}]
    for nonsense in odd:
        shadow.note("textDocument/didOpen", nonsense)
    told = b"".join(shadow.replay()).decode("utf-8")
    assert told.count("didOpen") == 1
    assert '"version": 2' in told
    assert "1\\r\\ntwo\\r\\n" in told
    event = {"added": [{"uri": "file:///b", "name": "b"}], "removed": [{"uri": "file:///a", "name": "a"}]}
    shadow.note("workspace/didChangeWorkspaceFolders", {"event": event})
    assert shadow.initialize == {"workspaceFolders": [{"uri": "file:///b", "name": "b"}]}


def opened(uri: str, text: str) -> dict[str, Any]:
    return {"uri": uri, "languageId": "python", "version": 1, "text": text}


async def told(editor: Editor, why: str) -> None:
    await editor.wait_for_notification(
        "window/showMessage", lambda value: why in value["message"], timeout_s=WAIT_SECONDS
    )


async def told_status(editor: Editor) -> Any:
    return await editor.wait_for_notification(
        "hearth/status", lambda value: "connected" in value, timeout_s=WAIT_SECONDS
    )


async def until_connected(editor: Editor) -> None:
    """Ask until there is a session again: meanwhile every request is answered with an error."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                await editor.request("hearth/status", {})
            except ServerAnsweredError:
                await asyncio.sleep(0.05)
            else:
                return


def messages(editor: Editor) -> list[str]:
    return [params["message"] for _, method, params in editor.notifications if method == "window/showMessage"]


async def until_hover(editor: Editor, uri: str, place: tuple[int, int], text: str) -> None:
    """Ask until the session is there again: meanwhile every request is answered with an error."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                if text in await hovered(editor, uri, *place):
                    return
            except ServerAnsweredError:
                pass
            await asyncio.sleep(0.05)
