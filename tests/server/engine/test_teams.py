"""Which model a team gets."""

from __future__ import annotations

import pytest

from server.engine.vllm.teams import TeamModels
from server.errors import EngineUnavailable


async def test_a_team_gets_its_model_and_others_the_default() -> None:
    asked = 0

    async def listed() -> list[str]:
        nonlocal asked
        asked += 1
        return ["base", "payments-lora"]

    teams = TeamModels({"payments": "payments-lora"}, listed)
    assert [await teams.model(team) for team in ("payments", "payments", "search", "")] == [
        "payments-lora",
        "payments-lora",
        "",
        "",
    ]
    assert asked == 1


async def test_a_model_that_is_not_listed_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    asked = 0

    async def listed() -> list[str]:
        nonlocal asked
        asked += 1
        return ["base"]

    teams = TeamModels({"payments": "payments-lora"}, listed)
    assert [await teams.model("payments") for _ in range(3)] == ["", "", ""]
    assert caplog.text.count("payments-lora") == 1
    assert asked == 1
    assert teams.missing(["base"]) == ("payments-lora",)
    assert teams.missing(["base", "payments-lora"]) == ()


async def test_a_server_that_is_away_does_not_settle_which_model() -> None:
    away = True

    async def listed() -> list[str]:
        if away:
            raise EngineUnavailable("away")
        return ["payments-lora"]

    teams = TeamModels({"payments": "payments-lora"}, listed)
    assert await teams.model("payments") == ""
    away = False
    assert await teams.model("payments") == "payments-lora"
