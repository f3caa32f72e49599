"""``kill -9`` of the team server and of its indexing process while they work: what was accepted is done after all."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from benchmarks.editor import Editor
from indexer.hook.payload import encode_notice
from indexer.queue import Queue
from indexer.queue import Repository as Registered
from indexer.store.lock import writer_process
from tests.conftest import Repository
from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import TeamServer, team_editor, team_server

KILLS = 4


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await condition():  # noqa: ASYNC110 -- the condition is another process's
            await asyncio.sleep(0.05)


async def push(team: TeamServer) -> None:
    async with (
        aiohttp.ClientSession(team.url) as client,
        client.post("/api/v1/hooks/push", data=encode_notice("shop", ["main"])) as answer,
    ):
        assert answer.status == 202


def files(generation: int) -> dict[str, str]:
    return {f"m{n}.py": f"def made_{n}_in_{generation}():\n    return {n}\n" for n in range(150)}


async def test_what_was_accepted_survives_kills_of_server_and_worker(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    shop = Repository(tmp_path / "shop")
    shop.git("init", "--quiet", "--initial-branch=main")
    shop.commit(files(0), "Begin")
    data = tmp_path / "data"
    with Queue(data) as queue:
        queue.register(Registered("shop", str(shop.path)))
    chance = random.Random(4)
    settings = "[index]\nbatch_files = 5\n"
    for generation in range(1, KILLS + 1):
        async with team_server(data, settings) as team:
            shop.commit(files(generation), "Go on")
            await push(team)

            async def indexing_or_over() -> bool:
                with Queue(data) as queue:
                    return bool(writer_process(data)) or not queue.jobs()

            await until(indexing_or_over)
            await asyncio.sleep(chance.random() * 0.3)
            worker = writer_process(data)
            if generation % 2 and worker:
                os.kill(worker, signal.SIGKILL)
                await found(team, f"made_77_in_{generation}")
            else:
                assert await team.stop(signal.SIGKILL) == -signal.SIGKILL

        async def at_rest() -> bool:
            # No worker outlives the server.
            return not writer_process(data)

        await until(at_rest)
    async with team_server(data, settings) as team:
        await found(team, f"made_77_in_{KILLS}")
        async with aiohttp.ClientSession(team.url) as client, client.get("/api/v1/jobs") as answer:
            assert not [job for job in (await answer.json())["jobs"] if job["state"] == "failed"]


async def found(team: TeamServer, name: str) -> None:
    async with team_editor(team) as editor:
        await until(lambda: _finds(editor, name))


async def _finds(editor: Editor, name: str) -> bool:
    answer = await editor.request("hearth/search", {"query": name, "limit": 3})
    return any(f"def {name}(" in json.dumps(hit) for hit in answer["hits"])
