"""One server takes over from another on the same data directory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from indexer.queue import Queue, Repository
from tests.conftest import Repository as Clone
from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import TeamServer, team_server


async def hits(team: TeamServer, query: str) -> list[str]:
    """Search without sign-in, as on this machine; return the paths of what holds the query."""
    async with (
        aiohttp.ClientSession(team.url) as client,
        client.get("/api/v1/search", params={"q": query}) as answer,
    ):
        assert answer.status == 200
        return [hit["path"] for hit in (await answer.json())["hits"] if query in hit["text"]]


async def test_the_second_serves_at_once_and_indexes_when_the_first_has_gone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "late").mkdir()
    late = Clone(tmp_path / "late")
    late.git("init", "--quiet", "--initial-branch=main")
    late.commit({"late.py": "def comes_later():\n    return 1\n"})
    async with team_server(data) as first:
        assert await hits(first, "round_price")
        async with team_server(data) as second:
            assert await hits(second, "round_price")
            assert await first.stop() == 0
            with Queue(data) as queue:
                queue.register(Repository("late", str(late.path)))
            async with asyncio.timeout(WAIT_SECONDS):
                while await hits(second, "comes_later") != ["late.py"]:  # noqa: ASYNC110  # another process publishes
                    await asyncio.sleep(0.1)
