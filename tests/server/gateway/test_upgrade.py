"""A team server that is started on what an older Hearth left."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import aiohttp

from server.accounts import Accounts, TokenScope
from tests.indexer.older import make_index_1
from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import HEARTH, team_server


async def test_it_indexes_anew_and_everybody_keeps_their_account(data: Path) -> None:
    make_index_1(data, "hunter2")
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["backend"])
        accounts.add_to_group("backend", repositories=["shop"])
        _, token = accounts.add_token("ana", {TokenScope.SEARCH})
    headers = {"Authorization": f"Bearer {token}"}
    query = {"q": "round price", "limit": "3"}
    async with team_server(data) as team, aiohttp.ClientSession(team.url, headers=headers) as client:
        async with asyncio.timeout(WAIT_SECONDS):
            hits: list[dict[str, object]] = []
            while not hits:
                async with client.get("/api/v1/search", params=query) as answer:
                    assert answer.status == 200
                    hits = (await answer.json())["hits"]
                await asyncio.sleep(0.1)
    assert {hit["repository"] for hit in hits} == {"shop"}


def test_a_newer_one_is_refused_with_what_to_do(data: Path, tmp_path: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana")
        accounts._database.execute("PRAGMA user_version = 99")
    done = subprocess.run(
        [*HEARTH, "serve", "--port", "0", "--data", data], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 5
    assert "accounts.sqlite has tables of version 99, which a newer Hearth made" in done.stderr
