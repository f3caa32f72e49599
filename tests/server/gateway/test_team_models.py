"""Which model answers whom: the real server with groups whose completions and explanations have models of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.editor import Editor
from server.accounts import Accounts, TokenScope
from server.gateway import audit
from tests.e2e.model_server import MODEL, Call, ModelServer
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.gateway.team import remote, team_editor, team_server

URI = (remote("shop") / "shop/more.py").as_uri()
TEXT = "from shop.pricing import round_price\n\n\ndef f(price):\n    "
TEAMS = """
[engine.vllm.teams]
payments = "payments-lora"
[engine.vllm.chat_teams]
payments = "payments-chat"
search = "search-chat"
"""
EXPECTED = {
    "ana": (MODEL, MODEL),
    "ben": ("payments-lora", "payments-chat"),
    "cleo": (MODEL, "search-chat"),
}
"""Who is asked for completions and for explanations, by user."""


@asynccontextmanager
async def running(*adapters: str) -> AsyncIterator[ModelServer]:
    server = ModelServer(adapters=adapters)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def tokens(data: Path) -> dict[str, str]:
    """Make the users, each in a group of their own, and return what they sign in with."""
    accounts = Accounts(data)
    for user, group in (("ana", "others"), ("ben", "payments"), ("cleo", "search")):
        accounts.add_user(user, [group])
        accounts.add_to_group(group, repositories=["shop"])
    return {
        user: accounts.add_token(user, {TokenScope.COMPLETE, TokenScope.EXPLAIN})[1] for user in ("ana", "ben", "cleo")
    }


async def asked(calls: asyncio.Queue[Call], asking: asyncio.Task[object]) -> str:
    """Answer one call, and return the model that it was to."""
    call = await asyncio.wait_for(calls.get(), WAIT_SECONDS)
    call.write("return", " price", None)
    await asyncio.wait_for(asking, WAIT_SECONDS)
    return call.model


async def completes(editor: Editor, model: ModelServer) -> str:
    return await asked(model.calls, asyncio.create_task(editor.complete(URI, 4, 4, automatic=False)))


async def explains(editor: Editor, model: ModelServer) -> str:
    points = [{"line": line, "character": 0} for line in (3, 4)]
    argument = {"uri": URI, "range": {"start": points[0], "end": points[1]}}
    parameters = {"command": "hearth.explain", "arguments": [argument]}
    return await asked(model.chats, asyncio.create_task(editor.request("workspace/executeCommand", parameters)))


@pytest.mark.parametrize("separate", [False, True], ids=["one server", "two servers"])
async def test_a_team_has_its_own_models_for_completions_and_for_explanations(data: Path, *, separate: bool) -> None:
    secrets = tokens(data)
    chats = ("payments-chat", "search-chat")
    async with (
        running("payments-lora", *(() if separate else chats)) as model,
        running(*chats) as other,
    ):
        chat = other if separate else model
        settings = patient_model(model.url) + (f'chat_url = "{chat.url}"\n' if separate else "") + TEAMS + PATIENT
        async with team_server(data, settings) as team:
            for user, expected in EXPECTED.items():
                async with team_editor(team, token=secrets[user]) as editor:
                    editor.open(URI, "python", TEXT)
                    assert (await completes(editor, model), await explains(editor, chat)) == expected
    written = [json.loads(line) for line in audit.read(data)]
    noted = {(entry["user"], entry["event"]): entry["model"] for entry in written if "model" in entry}
    assert noted == {
        (user, event): name
        for user, names in EXPECTED.items()
        for event, name in zip(("completion", "explanation"), names, strict=True)
    }


async def test_a_chat_model_that_is_not_there_is_said_and_the_default_one_explains(data: Path) -> None:
    secrets = tokens(data)
    async with running("payments-lora") as model:
        settings = patient_model(model.url) + TEAMS + PATIENT
        async with team_server(data, settings) as team, team_editor(team, token=secrets["ben"]) as editor:
            editor.open(URI, "python", TEXT)
            assert await explains(editor, model) == MODEL
    said = "does not list payments-chat, the model of team payments in [engine.vllm.chat_teams]; its explanations come"
    assert said in team.log.read_text()
