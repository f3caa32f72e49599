"""Latency, usage and prices by page and by API: the numbers, who may see which, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.accounts import Accounts, TokenScope
from server.config import HistoryConfig
from server.gateway import audit
from server.gateway.pages.latency import TITLES
from server.history import STAGE_NAMES, History, Price, Prices
from tests.server.gateway.browser import browsing
from tests.server.gateway.described import check_described
from tests.server.gateway.team import team_server
from tests.server.history.measured import MODEL, work_for_hours

LATENCY, USAGE, PRICES = "/api/v1/latency", "/api/v1/usage", "/api/v1/prices"
FOR_ADMINISTRATORS = ("/latency?by=team", "/latency?by=editor", "/usage?by=team", "/usage/export?by=editor")


class People:
    """Ana completes; root administrates; Eve's token is for hooks alone."""

    def __init__(self, data: Path) -> None:
        with Accounts(data) as accounts:
            for user in ("ana", "root", "eve"):
                accounts.add_user(user)
            self.ana = accounts.add_token("ana", {TokenScope.COMPLETE})[1]
            self.root = accounts.add_token("root", {TokenScope.ADMIN})[1]
            self.eve = accounts.add_token("eve", {TokenScope.HOOKS})[1]


@pytest.fixture
def people(tmp_path: Path) -> People:
    (tmp_path / "data").mkdir()
    return People(tmp_path / "data")


class Script:
    """Asks the API, and holds every answer against its description."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def ask(self, path: str, fields: object = None, token: str = "") -> tuple[int, Any]:
        method, headers = "get" if fields is None else "put", {"Authorization": f"Bearer {token}"}
        async with self._client.request(method, path, json=fields, headers=headers) as answer:
            value = await answer.json()
            check_described(path, answer.status, value, method)
            return answer.status, value


@asynccontextmanager
async def scripting(data: Path) -> AsyncIterator[Script]:
    async with team_server(data) as team, aiohttp.ClientSession(team.url) as client:
        yield Script(client)


async def test_the_api_tells_percentiles_amounts_and_what_they_would_cost(people: People, tmp_path: Path) -> None:
    work_for_hours(tmp_path / "data", 3)
    async with scripting(tmp_path / "data") as script:
        status, latency = await script.ask(f"{LATENCY}?span=hour&stage=first_token&by=team", token=people.root)
        assert status == 200
        assert {group["name"] for group in latency["groups"]} == {"payments", "search", "none"}
        for group in latency["groups"]:
            assert 20 < group["p50"] < 120 < group["p99"] < 500
            assert group["p50"] <= group["p95"] <= group["p99"]
            assert sum(step["count"] for step in group["steps"]) == group["count"]
        assert [stage["name"] for stage in latency["stages"]] == [
            "first_text", "total", "gather", "prompt", "queue", "first_token",
        ]  # fmt: skip
        _, usage = await script.ask(f"{USAGE}?span=day&by=model", token=people.ana)
        total, models = usage["total"], {group["name"]: group for group in usage["groups"]}
        for amount in ("shown", "accepted", "promptTokens", "wastedTokens", "unpricedTokens"):
            assert total[amount] == sum(group[amount] for group in models.values()), amount
            assert total[amount] == sum(step[amount] for step in total["steps"]), amount
        assert total["retained30s"] / total["watched30s"] == total["retained10min"] / total["watched10min"] == 0.9
        priced = models[MODEL]
        generated = priced["completionTokens"] + priced["explanationTokens"]
        cost = (priced["promptTokens"] * 0.15 + generated * 0.6) / 1_000_000
        assert priced["cost"] == total["cost"] == pytest.approx(cost, abs=0.001)
        assert priced["unpricedTokens"] == 0
        other = models["other"]
        assert other["cost"] == 0
        assert other["unpricedTokens"] == sum(
            other[kind] for kind in ("promptTokens", "completionTokens", "explanationTokens")
        )


async def test_by_model_is_for_everybody_and_by_editor_and_team_for_administrators(
    people: People, tmp_path: Path
) -> None:
    work_for_hours(tmp_path / "data", 1)
    async with scripting(tmp_path / "data") as script:
        for path in (LATENCY, USAGE):
            for split, statuses in (("nothing", (200, 200)), ("model", (200, 200)), ("editor", (403, 200))):
                for token, expected in zip((people.ana, people.root), statuses, strict=True):
                    assert (await script.ask(f"{path}?by={split}", token=token))[0] == expected
            assert (await script.ask(f"{path}?by=team", token=people.ana))[0] == 403
            assert (await script.ask(path, token=people.eve))[0] == 403
            assert (await script.ask(path, token="no"))[0] == 401
            for wrong in ("by=user", "span=year", "stage=none", "work=play"):
                assert (await script.ask(f"{path}?{wrong}", token=people.root))[0] == 400, wrong
        assert (await script.ask(PRICES, token=people.ana))[0] == 200
        assert (await script.ask(PRICES, {"currency": "EUR", "models": []}, token=people.ana))[0] == 403


async def test_prices_are_replaced_as_a_whole_or_not_at_all(people: People, tmp_path: Path) -> None:
    data = tmp_path / "data"
    good = {"currency": "€", "models": [{"model": "*", "prompt": 0.5, "generated": 2}]}
    async with scripting(data) as script:
        assert await script.ask(PRICES, token=people.root) == (200, {"currency": "", "models": []})
        assert await script.ask(PRICES, good, token=people.root) == (200, good)
        price = good["models"][0]
        assert isinstance(price, dict)
        refused: list[Any] = [
            [],
            {},
            {"currency": "EUR"},
            {"currency": 1, "models": []},
            {"currency": "too long a name", "models": []},
            {"currency": "EUR", "models": {}},
            {"currency": "EUR", "models": [price, price]},
            {"currency": "EUR", "models": ["x"]},
            {"currency": "EUR", "models": [price | {"prompt": -1}]},
            {"currency": "EUR", "models": [price | {"prompt": True}]},
            {"currency": "EUR", "models": [price | {"prompt": 10**400}]},
            {"currency": "EUR", "models": [price | {"model": ""}]},
            {"currency": "EUR", "models": [price | {"model": "a\nb"}]},
            {"currency": "EUR", "models": [price | {"more": 1}]},
            {"currency": "EUR", "models": [price | {"model": f"m{number}"} for number in range(201)]},
        ]
        for fields in refused:
            assert (await script.ask(PRICES, fields, token=people.root))[0] == 400, fields
        assert await script.ask(PRICES, token=people.root) == (200, good)
    events = [json.loads(line) for line in audit.read(data)]
    assert [(one["user"], one["currency"], one["models"]) for one in events if one["event"] == "prices-set"] == [
        ("root", "€", ["*"])
    ]


async def test_pages_show_and_split_what_their_guest_may_see(people: People, tmp_path: Path) -> None:
    work_for_hours(tmp_path / "data", 30)
    async with (
        team_server(tmp_path / "data") as team,
        browsing(team.url, people.root) as root,
        browsing(team.url, people.ana) as ana,
    ):
        for path in ("/latency", "/usage", "/latency?by=model&span=month", "/usage?span=week"):
            for guest in (root, ana):
                assert (await guest.get(path)).status == 200, path
        for path in FOR_ADMINISTRATORS:
            assert (await root.get(path)).status == 200, path
            assert (await ana.get(path)).status == 403, path
        page = await root.get("/latency?span=day&stage=first_text&by=team")
        assert re.search(r'<th scope="row">payments</th>\s*(<td class="number">[\d\u202f.]+</td>){4}', page.text)
        assert "First text shown: p95 by team" in page.text
        assert "payments" not in (await ana.get("/latency?by=model")).text
        assert "Set price" not in (await ana.get("/usage")).text
        assert (await root.get("/latency?stage=none")).status == 400
        assert (await ana.get("/usage")).text.count("90.0 %") > 2
        assert "tokens have no price" in (await ana.get("/usage")).text


async def test_an_administrator_sets_prices_and_who_did_is_written_down(people: People, tmp_path: Path) -> None:
    data = tmp_path / "data"
    work_for_hours(data, 1)
    async with (
        team_server(data) as team,
        browsing(team.url, people.root) as root,
        browsing(team.url, people.ana) as ana,
    ):

        async def change(action: str, **fields: str) -> int:
            return (await root.post("/usage", {"action": action, **fields})).status

        await root.get("/usage")
        assert await change("set-price", model="*", prompt="1,25", generated="10") == 200
        assert await change("set-price", model="<i>", prompt="0.0375", generated="1") == 200
        assert await change("set-currency", currency="CHF") == 200
        assert await change("remove-price", model=MODEL) == 200
        for wrong in ("", "x", "-1", "nan", "inf", "1e300"):
            assert await change("set-price", model="*", prompt=wrong, generated="1") in {400, 409}, wrong
        assert await change("set-price", model=" ", prompt="1", generated="1") in {400, 409}
        assert await change("burn-down") == 400
        await ana.get("/usage")
        assert (await ana.post("/usage", {"action": "set-currency", "currency": "x"})).status == 403
        text = (await root.get("/usage")).text
        assert "&lt;i&gt;" in text
        assert "0.0375 CHF" in text
        assert "10.00 CHF" in text
        assert "All others" in text
        root.csrf = "x"
        assert await change("set-currency", currency="x") == 403
    with History(data, HistoryConfig()) as history:
        assert history.prices() == Prices("CHF", {"*": Price(1.25, 10.0), "<i>": Price(0.0375, 1.0)})
    events = [json.loads(line) for line in audit.read(data)]
    told = [(one["event"], one["user"], one["subject"]) for one in events if "price" in one["event"]]
    assert told == [("price-set", "root", "*"), ("price-set", "root", "<i>"), ("price-removed", "root", MODEL)]


async def test_tables_are_downloaded_and_hold_no_formula(people: People, tmp_path: Path) -> None:
    data = tmp_path / "data"
    work_for_hours(data, 2)
    with History(data, HistoryConfig()) as history:
        history.set_prices(Prices("=1+1"))
    async with team_server(data) as team, browsing(team.url, people.root) as root:
        page = await root.get("/latency/export?span=hour&by=editor&stage=total")
        assert page.headers["Content-Disposition"] == 'attachment; filename="hearth-latency.csv"'
        rows = list(csv.DictReader(io.StringIO(page.text)))
        assert {row["editor"] for row in rows} == {"vscode", "neovim"}
        assert all(float(row["p50_ms"]) <= float(row["p99_ms"]) for row in rows)
        page = await root.get("/usage/export?span=day")
        rows = list(csv.DictReader(io.StringIO(page.text)))
        assert sum(int(row["shown"]) for row in rows) > 0
        assert {row["currency"] for row in rows} == {"'=1+1"}
        with History(data, HistoryConfig()) as history:
            history.set_prices(Prices("a;@b"))
        page = await root.get("/usage/export?span=week")
        assert {row["currency"] for row in csv.DictReader(io.StringIO(page.text))} == {"a;'@b"}


async def test_a_server_that_measured_nothing_yet_says_so(people: People, tmp_path: Path) -> None:
    async with team_server(tmp_path / "data") as team, browsing(team.url, people.root) as root:
        assert "Nothing was timed" in (await root.get("/latency")).text
        assert "Nothing was used" in (await root.get("/usage")).text
        assert "No price is set" in (await root.get("/usage")).text


def test_every_stage_has_a_title_and_a_place_in_the_documents() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    assert set(TITLES) == set(STAGE_NAMES)
    assert set(re.findall(r"^\| `(\w+)` \|", documented.partition("## Stages")[2].partition("## Tokens")[0], re.M)) == (
        set(STAGE_NAMES)
    )
