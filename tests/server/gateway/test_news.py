"""From a push to a connected editor, through the hook, HTTP, the queue and the worker: nothing is put in between."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from benchmarks.editor import Editor
from indexer.hook.install import hook_status, install
from indexer.hook.payload import MOST_NOTICE_BYTES
from indexer.hook.settings import HookSettings
from indexer.hook.webhooks import Forge
from indexer.queue import Queue
from indexer.queue import Repository as Registered
from tests.conftest import Repository
from tests.indexer.hook.test_webhooks import CASES, SOURCES, signed
from tests.server.gateway.team import TeamServer, remote, team_editor, team_server
from tests.server.indexed import SHOP

COMMAND = (sys.executable, "-P", "-m", "indexer.hook")
SECRET = "between us"
LEDGER = (
    "def reconcile_ledger(entries):\n"
    "    balance = sum(entry.amount for entry in entries)\n"
    "    audit_trail.record(balance, entries)\n"
    "    return balance\n"
)


@pytest.fixture
def clone(tmp_path: Path) -> Repository:
    """A clone of a bare repository that is registered, for the server to index."""
    (tmp_path / "clone").mkdir()
    made = Repository(tmp_path / "clone")
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit(SHOP, "Open the shop")
    bare = tmp_path / "shop.git"
    made.git("clone", "--quiet", "--bare", ".", str(bare))
    made.git("remote", "add", "origin", str(bare))
    with Queue(tmp_path / "data") as queue:
        queue.register(Registered("shop", str(bare)))
    return made


def hook(tmp_path: Path, server: str) -> None:
    (tmp_path / "token").write_text("not looked at from the same machine")
    settings = HookSettings("shop", server=server, token_file=str(tmp_path / "token"))
    install(tmp_path / "shop.git", settings, COMMAND)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 -- the condition is the server's
            await asyncio.sleep(0.1)


async def finds(editor: Editor, query: str) -> bool:
    answer = await editor.request("hearth/search", {"query": query, "limit": 3})
    return any(query in json.dumps(hit) for hit in answer["hits"])


async def test_what_is_pushed_is_found_and_completed_in_a_connected_editor(clone: Repository, tmp_path: Path) -> None:
    async with team_server(tmp_path / "data") as team, team_editor(team) as editor:
        hook(tmp_path, team.url)
        await until(lambda: finds(editor, "round_price"))
        assert not await finds(editor, "reconcile_ledger")
        clone.commit({"shop/ledger.py": LEDGER})
        clone.git("push", "--quiet", "origin", "main")
        await until(lambda: finds(editor, "reconcile_ledger"))
        document = (remote("shop") / "shop/books.py").as_uri()
        head, _, rest = LEDGER.partition("    audit_trail")
        editor.open(document, "python", head + "    ")

        async def completed() -> bool:
            streamed = await editor.complete(document, 2, 4, automatic=False)
            items = (streamed.result or {}).get("items", [])
            return bool(items) and items[0]["insertText"].startswith("audit_trail" + rest.partition("\n")[0])

        # The embedded engine's view is built after searches see the push.
        await until(completed)


async def test_what_is_pushed_while_the_server_is_down_is_there_when_it_comes_back(
    clone: Repository, tmp_path: Path
) -> None:
    async with team_server(tmp_path / "data") as team:
        hook(tmp_path, team.url)
    clone.commit({"shop/ledger.py": LEDGER})
    clone.git("push", "--quiet", "origin", "main")

    async def tried() -> bool:
        return bool((await asyncio.to_thread(hook_status, tmp_path / "shop.git")).problem)

    await until(tried)
    async with team_server(tmp_path / "data") as team, team_editor(team) as editor:
        await until(lambda: finds(editor, "reconcile_ledger"))


async def test_webhooks_of_every_forge_are_checked_and_taken_once(
    clone: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with Queue(tmp_path / "data") as queue:
        for forge, source in SOURCES.items():
            queue.register(Registered(str(forge), source, paused=True))
    settings = "[repositories.webhooks]\n" + "".join(f'{forge} = "env:HOOK_SECRET"\n' for forge in Forge)
    pushes = {forge: (event, json.dumps(fields).encode(), refs) for forge, event, fields, refs in CASES if refs}
    assert pushes.keys() == set(Forge)
    async with team_server(tmp_path / "data", settings) as team, aiohttp.ClientSession() as http:
        for forge, (event, body, _) in pushes.items():
            path, headers = f"webhooks/{forge}", signed(forge, event, body, SECRET)
            assert await post(http, team, path, body, {"Content-Type": "application/json"}) == 401
            for wrong in ("another", "", SECRET[:-1]):
                assert await post(http, team, path, body, signed(forge, event, body, wrong)) == 401, (forge, wrong)
            if forge is not Forge.GITLAB:  # GitLab's plain token signs no body.
                assert await post(http, team, path, body + b" ", headers) == 401
            assert await post(http, team, path, body, headers) == 202
            # Again as it was, and under another id.
            assert await post(http, team, path, body, headers) == 200
            assert await post(http, team, path, body, signed(forge, event, body, SECRET, delivery="d-2")) == 200
        assert await post(http, team, "webhooks/sourceforge", b"{}", {}) == 404
        assert await post(http, team, "hooks/push", b" " * (MOST_NOTICE_BYTES + 1), {}) == 413
        assert await post(http, team, "hooks/push", b"{}", {}) == 400
        assert SECRET not in team.log.read_text()
    with Queue(tmp_path / "data") as queue:
        taken = {(job.repository, job.ref) for job in queue.jobs() if "webhook" in job.reason}
    assert taken == {(str(forge), ref) for forge, (_, _, refs) in pushes.items() for ref in refs}


async def post(http: aiohttp.ClientSession, team: TeamServer, path: str, body: bytes, headers: dict[str, str]) -> int:
    async with http.post(f"{team.url}/api/v1/{path}", data=io.BytesIO(body), headers=headers) as answer:
        return answer.status
