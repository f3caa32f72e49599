"""A disk that is full under a running team server: what is there is served, what comes waits, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from benchmarks.editor import Editor
from indexer.hook.payload import encode_notice
from indexer.queue import Queue
from indexer.queue import Repository as Registered
from server.accounts import Accounts, TokenScope
from server.gateway import audit
from tests.conftest import Repository
from tests.server.gateway.team import team_editor, team_server, until_logged
from tests.server.indexed import SHOP, build_index

LEDGER = "def reconcile_ledger(entries):\n    return sum(entry.amount for entry in entries)\n"
BIG = "".join(f"def big_{n}():\n    return '{n * 7919}'\n\n\n" for n in range(20_000))


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory on a disk of 12 MB."""
    mounted = tmp_path / "data"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(mounted)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems may not be mounted here")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(disk: Path) -> Path:
    """Take all the space there is."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(90):
        while not await condition():  # noqa: ASYNC110 -- the condition is the server's
            await asyncio.sleep(0.2)


async def finds(editor: Editor, query: str) -> bool:
    answer = await editor.request("hearth/search", {"query": query, "limit": 3})
    return any(query in json.dumps(hit) for hit in answer["hits"])


async def test_a_full_disk_stops_nobody_who_reads_and_loses_nothing(data: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    shop = Repository(tmp_path / "shop")
    shop.git("init", "--quiet", "--initial-branch=main")
    shop.commit(SHOP, "Begin")
    build_index(data, [shop]).close()
    with Queue(data) as queue:
        queue.register(Registered("shop", str(shop.path)))
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["shoppers"])
        accounts.add_to_group("shoppers", repositories=["shop"])
        _, secret = accounts.add_token("ana", set(TokenScope))
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        team_server(data) as team,
        team_editor(team, token=secret) as editor,
        aiohttp.ClientSession(team.url, headers=headers) as client,
    ):

        async def push() -> int:
            async with client.post("/api/v1/hooks/push", data=encode_notice("shop", ["main"])) as answer:
                return answer.status

        async def jobs() -> list[Any]:
            async with client.get("/api/v1/jobs") as answer:
                return list((await answer.json()).get("jobs", []))

        async def nothing_to_do() -> bool:
            return await finds(editor, "round_price") and not await jobs()

        await until(nothing_to_do)
        # First the indexing process meets the end of the disk, with a push that was taken before.
        shop.commit({"shop/big.py": BIG, "shop/ledger.py": LEDGER})
        filler = fill(data)
        os.truncate(filler, filler.stat().st_size - 400_000)
        assert await push() == 202

        await until_logged(team, "could not be written|no space")
        assert await finds(editor, "round_price")
        # Then there is no room for anything: news is sent away, to be sent again, and who reads is served.
        fill(data)
        for _ in range(5):
            assert await push() in {202, 503}
        async with team_editor(team, token=secret) as other:
            assert await finds(other, "round_price")
            document = "file:///home/somebody/elsewhere/shop/shop/more.py"
            other.open(document, "python", "from shop.pricing import round_price\n\n\ndef f(price):\n    return round_")
            await other.complete(document, 4, 17, automatic=False)
        async with client.get("/readyz") as answer:
            assert answer.status == 200
        filler.unlink()

        async def pushed() -> bool:
            return await push() == 202 and await finds(editor, "reconcile_ledger")

        await until(pushed)
        assert "Traceback" not in team.log.read_text()
    events = [json.loads(line)["event"] for line in audit.read(data)]
    assert events.count("session-opened") == 2 or "audit-lost" in events
