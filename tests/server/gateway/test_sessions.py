"""Editors on the team server, over WebSocket: the real server, the editors of the benchmark."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.editor import ServerAnsweredError
from tests.e2e.model_server import ModelServer
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.gateway.team import TeamServer, remote, team_editor, team_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDERS = (remote("shop") / "shop/orders.py").as_uri()
DRAFT = "from shop.pricing import Discount, round_price\n\n\ndef total(prices):\n    "
STREAMING = (4, 4)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[ModelServer]:
    server = ModelServer()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def team(
    indexed: Path, model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TeamServer]:
    data = Path(shutil.copytree(indexed, tmp_path_factory.mktemp("sessions") / "data"))
    # However busy the machine is, context comes in time.
    settings = f"{patient_model(model.url)}{PATIENT}"
    async with team_server(data, settings) as running:
        yield running


async def test_a_suggestion_grows_in_the_editor_and_knows_the_repository(team: TeamServer, model: ModelServer) -> None:
    async with team_editor(team) as editor:
        editor.open(ORDERS, "python", DRAFT)
        asking = asyncio.create_task(editor.complete(ORDERS, *STREAMING, automatic=False))
        call = await asyncio.wait_for(model.calls.get(), WAIT_SECONDS)
        assert "def round_price" in call.prompt, "nothing was read from the index"
        call.write("return ", "round_price", "(sum(prices))", None)
        streamed = await asyncio.wait_for(asking, WAIT_SECONDS)
        assert streamed.result["items"][0]["insertText"] == "return round_price(sum(prices))"
        texts = [part["items"][0]["insertText"] for _, part in streamed.parts]
        assert texts
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))


async def test_a_cancel_closes_the_connection_to_the_model(team: TeamServer, model: ModelServer) -> None:
    async with team_editor(team) as editor:
        editor.open(ORDERS, "python", DRAFT)
        asking = asyncio.create_task(editor.complete(ORDERS, *STREAMING, automatic=False))
        call = await asyncio.wait_for(model.calls.get(), WAIT_SECONDS)
        call.write("return ")
        asking.cancel()
        await asyncio.wait_for(call.closed.wait(), WAIT_SECONDS)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_an_editor_that_leaves_in_the_middle_ends_its_work_and_no_other(
    team: TeamServer, model: ModelServer
) -> None:
    async with team_editor(team) as staying:
        staying.open(ORDERS, "python", DRAFT)
        kept = asyncio.create_task(staying.complete(ORDERS, *STREAMING, automatic=False))
        call = await asyncio.wait_for(model.calls.get(), WAIT_SECONDS)
        async with team_editor(team) as leaving:
            leaving.open(ORDERS, "python", DRAFT.replace("total", "sum_of"))
            lost = asyncio.create_task(leaving.complete(ORDERS, *STREAMING, automatic=False))
            other = await asyncio.wait_for(model.calls.get(), WAIT_SECONDS)
        await asyncio.wait_for(other.closed.wait(), WAIT_SECONDS)
        with pytest.raises((ServerAnsweredError, ConnectionError)):
            await lost
        call.write("return 0", None)
        assert (await asyncio.wait_for(kept, WAIT_SECONDS)).result["items"][0]["insertText"] == "return 0"
        assert not call.closed.is_set()


async def test_each_session_has_its_own_reasons(team: TeamServer, model: ModelServer) -> None:
    async with team_editor(team) as one, team_editor(team) as other:
        one.open(ORDERS, "python", DRAFT)
        asking = asyncio.create_task(one.complete(ORDERS, *STREAMING, automatic=False))
        call = await asyncio.wait_for(model.calls.get(), WAIT_SECONDS)
        call.write("return 0", None)
        [item] = (await asyncio.wait_for(asking, WAIT_SECONDS)).result["items"]
        identifier, *_ = item["command"]["arguments"]
        why = await one.request("hearth/why", {"id": identifier})
        assert "shop" in {snippet["repository"] for snippet in why["snippets"]}
        assert await other.request("hearth/why", {"id": identifier}) is None


async def test_symbols_open_where_the_editor_has_the_repository(team: TeamServer) -> None:
    async with team_editor(team) as editor:
        [found] = await editor.request("workspace/symbol", {"query": "formatPrice"})
        assert found["location"]["uri"] == (remote("shop") / "web/format.ts").as_uri()
    async with team_editor(team, "unknown") as editor:
        assert await editor.request("workspace/symbol", {"query": "formatPrice"}) == []
