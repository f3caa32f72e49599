"""What the running server keeps of its metrics over time."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from server.accounts import Accounts, TokenScope
from server.config import HistoryConfig
from server.history import FILE_NAME, History, Latency, Span, Split, latency, usage
from tests.e2e.model_server import MODEL, running_model_server
from tests.patience import WAIT_SECONDS, patient_model
from tests.server.gateway.team import TeamServer, remote, team_editor, team_server

ORDERS = (remote("shop") / "shop/orders.py").as_uri()
DRAFT = "from shop.pricing import Discount, round_price\n\n\ndef total(prices):\n    "
SECONDLY = '[server]\nteams = ["payments", "shoppers"]\n[server.history]\ninterval_seconds = 1.0\n'


async def complete(team: TeamServer, token: str) -> None:
    async with team_editor(team, token=token) as editor:
        editor.open(ORDERS, "python", DRAFT)
        await editor.complete(ORDERS, 4, 4, automatic=False)


def stored(data: Path) -> bytes:
    return b"".join(file.read_bytes() for file in data.glob(f"{FILE_NAME}*"))


async def until_counted(data: Path, count: int) -> Latency:
    """Wait until the file of a server says that ``count`` completions ended."""

    def look() -> Latency:
        with History(data, HistoryConfig()) as history:
            return latency(history, "completion", "total", Span.HOUR, split=Split.TEAM)

    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            found = await asyncio.to_thread(look)
            if sum(group.all.count for group in found.groups) >= count:
                return found
            await asyncio.sleep(0.2)


async def test_a_killed_server_loses_nothing_that_was_written_and_goes_on_after_a_restart(data: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["shoppers", "people"])
        token = accounts.add_token("ana", {TokenScope.COMPLETE})[1]
        accounts.add_to_group("shoppers", repositories=["shop"])
    for run in (1, 2, 3):
        async with team_server(data, SECONDLY) as team:
            await complete(team, token)
            found = await until_counted(data, run)
            assert await team.stop(signal.SIGKILL) == -signal.SIGKILL
    assert [(group.name, group.all.count) for group in found.groups] == [("shoppers", 3)]
    assert (data / FILE_NAME).stat().st_mode & 0o077 == 0
    for word in (b"ana", b"orders", b"round_price", token.encode()):
        assert word not in stored(data)


async def test_what_two_teams_use_in_two_editors_is_told_apart(data: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["shoppers"])
        accounts.add_user("ben", ["payments", "shoppers"])
        accounts.add_to_group("shoppers", repositories=["shop"])
        tokens = {user: accounts.add_token(user, {TokenScope.COMPLETE})[1] for user in ("ana", "ben")}
    read: dict[str, int] = {}
    async with running_model_server(counts=True) as model:
        settings = f"{patient_model(model.url)}[completion]\nspeculate = false\ndeadline_ms = 600000\n{SECONDLY}"
        async with team_server(data, settings) as team:
            for user, name in (("ana", "Neovim"), ("ben", "Zed"), ("ben", "Zed")):
                async with team_editor(team, token=tokens[user], name=name) as editor:
                    editor.open(ORDERS, "python", DRAFT)
                    asking = asyncio.create_task(editor.complete(ORDERS, 4, 4, automatic=False))
                    call = await model.next_call()
                    read[user] = read.get(user, 0) + len(call.prompt)
                    call.write("return ", "sum", "(prices)", None)
                    (item,) = (await asyncio.wait_for(asking, WAIT_SECONDS)).result["items"]
                    editor.notify("hearth/didShowCompletion", {"id": item["command"]["arguments"][0]})
                    if user == "ben":
                        editor.notify("hearth/didAcceptCompletion", {"id": item["command"]["arguments"][0]})
                    await editor.request("hearth/status", {})
            await until_counted(data, 3)
            assert await team.stop() == 0

    def used(split: Split) -> dict[str, tuple[float, ...]]:
        with History(data, HistoryConfig()) as history:
            return {
                one.name: (one.all.shown, one.all.accepted, one.all.prompt_tokens, one.all.completion_tokens)
                for one in usage(history, Span.HOUR, split).groups
            }

    ana, ben = (1, 0, read["ana"], 3), (2, 2, read["ben"], 6)
    assert used(Split.TEAM) == {"shoppers": ana, "payments": ben}
    assert used(Split.EDITOR) == {"neovim": ana, "zed": ben}
    assert used(Split.MODEL) == {MODEL: tuple(map(sum, zip(ana, ben, strict=True)))}


async def test_a_server_whose_history_cannot_be_written_serves_on(data: Path) -> None:
    (data / FILE_NAME).mkdir()
    async with team_server(data, SECONDLY) as team:
        for _ in range(2):
            await complete(team, "")
            await asyncio.sleep(1.2)
        assert await team.stop() == 0
