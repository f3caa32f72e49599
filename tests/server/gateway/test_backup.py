"""Backups of a team server that runs, and what comes of them on another machine."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from indexer.backup import Keeping, part_of
from indexer.queue import Queue, Repository
from server.accounts import Accounts, TokenScope
from server.cli.data_files import PARTS
from server.config import AuditConfig
from server.gateway import audit
from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import HEARTH, TeamServer, team_editor, team_server

SCOPES = {TokenScope.SEARCH, TokenScope.COMPLETE, TokenScope.ADMIN}


@pytest.fixture
def token(data: Path, tmp_path: Path, indexed: Path) -> str:
    """The token of a user of the company, which also has a registered repository."""
    with Queue(data) as queue:
        queue.register(Repository("shop", str(indexed.parent / "shop")))
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["backend"])
        accounts.add_to_group("backend", repositories=["shop"])
        return accounts.add_token("ana", SCOPES)[1]


async def hearth(*arguments: str | Path) -> tuple[int, Any, str]:
    """Run a command; return its status, the JSON that it printed and what it said."""
    process = await asyncio.create_subprocess_exec(
        *HEARTH, *map(str, arguments), "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WAIT_SECONDS):
        out, err = await process.communicate()
    return process.returncode or 0, json.loads(out), err.decode()


async def found(team: TeamServer, token: str) -> list[str]:
    """Search as the token's user until something is found; return the repositories."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(team.url, headers=headers) as client, asyncio.timeout(WAIT_SECONDS):
        while True:
            async with client.get("/api/v1/search", params={"q": "round price"}) as answer:
                assert answer.status == 200
                hits = (await answer.json())["hits"]
            if hits:
                return sorted({hit["repository"] for hit in hits})
            await asyncio.sleep(0.1)


@asynccontextmanager
async def busy(data: Path) -> AsyncIterator[None]:
    """Add users and lines to the audit log all the time."""

    async def write() -> None:
        config = AuditConfig(file_mb=1)
        with Accounts(data) as accounts:
            for number in count():
                await asyncio.to_thread(accounts.add_user, f"user-{number}")
                await asyncio.to_thread(audit.note_now, data, config, "user-added", subject=f"user-{number}")

    task = asyncio.create_task(write())
    await asyncio.sleep(0.2)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_server_runs_on_while_it_is_backed_up_and_starts_again_elsewhere(
    data: Path, token: str, tmp_path: Path
) -> None:
    backup, new = tmp_path / "backup.tar.gz", tmp_path / "elsewhere"
    async with team_server(data) as team, team_editor(team, token=token), busy(data):
        status, made, err = await hearth("backup", backup, "--data", data)
        assert status == 0, err
        assert await found(team, token) == ["shop"]
    assert made["left_out"] == []
    status, restored, err = await hearth("restore", backup, "--data", new)
    assert status == 0, err
    assert restored["files"] == made["files"]
    with Accounts(new) as accounts:
        assert {"ana", "user-0"} <= set(accounts.directory().users)
    for line in audit.read(new):
        assert json.loads(line)["event"]
    async with team_server(new) as team:
        # The index was not in it: the registered repository is indexed again.
        assert await found(team, token) == ["shop"]


async def test_with_the_index_everything_is_there_at_once(data: Path, token: str, tmp_path: Path) -> None:
    backup, new = tmp_path / "backup", tmp_path / "elsewhere"
    async with team_server(data), busy(data):
        status, made, err = await hearth("backup", backup, "--index", "--wait", "--data", data)
        assert (status, made["index"]) == (0, True), err
    status, _, err = await hearth("restore", backup, "--data", new)
    assert status == 0, err
    status, hits, err = await hearth("search", "round price", "--data", new)
    assert status == 0, err
    assert hits["hits"]


async def test_nothing_is_restored_over_a_server_that_runs(data: Path, token: str, tmp_path: Path) -> None:
    async with team_server(data) as team:
        assert (await hearth("backup", tmp_path / "backup", "--data", data))[0] == 0
        status, said, _ = await hearth("restore", tmp_path / "backup", "--data", data, "--replace")
        assert status == 7
        assert "Stop it first" in said["error"]["advice"]
        assert await found(team, token) == ["shop"]
    assert (await hearth("restore", tmp_path / "backup", "--data", data, "--replace"))[0] == 0


async def test_everything_that_a_server_leaves_is_its_users_alone(indexed: Path, tmp_path: Path) -> None:
    data, shop = tmp_path / "new" / "data", indexed.parent / "shop"
    before = os.umask(0)
    try:
        assert (await hearth("repo", "add", shop, "--data", data))[0] == 0
        with Accounts(data) as accounts:
            accounts.add_user("ana", ["backend"])
            accounts.add_to_group("backend", repositories=["shop"])
            token = accounts.add_token("ana", SCOPES)[1]
        async with team_server(data) as team, team_editor(team, token=token):
            # From the index, which the server's own worker made.
            assert await found(team, token) == ["shop"]
            async with aiohttp.ClientSession(team.url) as client:
                await client.post("/sign-in", data={"token": token}, headers={"Sec-Fetch-Site": "same-origin"})
            open_to_others = await asyncio.to_thread(lambda: list(permitted(data)))
    finally:
        os.umask(before)
    assert open_to_others == []
    assert {"hearth.sqlite", "queue.sqlite", "accounts.sqlite", "audit", "lexical"} <= {
        entry.name for entry in data.iterdir()
    }


def permitted(data: Path) -> Iterator[str]:
    """Tell what others than the owner may look into, write or read, and its permissions."""
    for path in (data, *data.rglob("*")):
        with suppress(FileNotFoundError):
            if (mode := path.lstat().st_mode) & 0o077 and not path.is_symlink():
                yield f"{path.relative_to(data)} {mode:o}"


async def test_everything_that_a_server_leaves_is_known_to_backups(data: Path, token: str) -> None:
    async with team_server(data) as team, team_editor(team, token=token):
        await found(team, token)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        async with aiohttp.ClientSession(team.url) as client:
            await client.post("/sign-in", data={"token": token}, headers=headers)
        names = await asyncio.to_thread(lambda: sorted(entry.name for entry in data.iterdir()))
    parts = {name: part_of(name, PARTS) for name in names}
    assert [name for name, part in parts.items() if part is None] == []
    kept = {part.name for part in parts.values() if part is not None and part.keeping is Keeping.ALWAYS}
    assert {"accounts.sqlite", "queue.sqlite", "audit"} <= kept
