"""The pages of benchmark runs: what forms do, what is shown of odd runs, and a run from the button to a comparison."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.accounts import Accounts, TokenScope
from server.runs.kept import KeptRuns
from tests.server.gateway.benchmarked import company_data
from tests.server.gateway.browser import browsing
from tests.server.gateway.chromium_pages import Chromium, chromium
from tests.server.gateway.team import team_server
from tests.server.runs.results import result


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return company_data(tmp_path)


@pytest.fixture
def token(data: Path) -> str:
    with Accounts(data) as accounts:
        return accounts.add_token("root", {TokenScope.ADMIN}, label="browser")[1]


async def test_runs_are_shown_compared_and_deleted(data: Path, token: str) -> None:
    kept = KeptRuns(data)
    old = kept.keep(result(4.0, 1, label="<b>before</b>"))
    new = kept.keep(result(9.0, 2, label="after"))
    empty = result(label="nothing answered")
    for values in empty["paths"].values():
        for name in [name for name in values if name.endswith("_ms") and name[0] in "mps" and name != "samples_ms"]:
            del values[name]
        values["samples_ms"] = {name: [] for name in values["samples_ms"]}
        values["stages_ms"] = dict.fromkeys(("debounce", "before the engine", "engine", "behind the engine"), 0.0)
    nothing = kept.keep(empty)
    (kept.folder / "torn.json").write_text("{")
    async with team_server(data) as team, browsing(team.url, token) as root:
        listed = (await root.get("/benchmarks")).text
        assert "&lt;b&gt;before&lt;/b&gt;" in listed
        assert "<b>before" not in listed
        assert "the run torn cannot be read" in listed
        assert ">hidden<" not in listed
        shown = await root.get(f"/benchmark?id={new}")
        assert shown.status == 200
        assert "missed" in shown.text, "an added time of 9 ms at the median is more than 5"
        assert len(re.findall("data-figure=", shown.text)) == 5
        assert (await root.get(f"/benchmark?id={nothing}")).text.count("Nothing was measured yet.") >= 3
        compared = await root.get(f"/benchmarks/compare?old={old}&new={new}")
        assert re.search(r"p50_added_ttft_ms.*?badge failed\">worse", compared.text)
        assert "At least one figure of Hearth's got worse" in compared.text
        back = await root.get(f"/benchmarks/compare?old={new}&new={old}")
        assert "No figure of Hearth's got worse" in back.text
        for path, status in (
            ("/benchmark?id=none", 404),
            ("/benchmark?id=..%2Faccounts", 404),
            ("/benchmark?id=torn", 409),
            (f"/benchmarks/compare?old={old}&new=none", 404),
            (f"/benchmarks/compare?old=torn&new={new}", 409),
        ):
            assert (await root.get(path)).status == status, path
        await root.get("/benchmarks")
        assert (await root.post("/benchmark", {"action": "remove", "name": old})).path == "/benchmarks"
        assert (await root.post("/benchmark", {"action": "remove", "name": old})).status == 404
        assert (await root.post("/benchmark", {"action": "remove", "name": "torn"})).status == 200
        assert (await root.post("/benchmark", {"action": "other", "name": new})).status == 400
    assert {run.run_id for run in kept.runs()} == {new, nothing}


async def test_what_cannot_be_started_is_said_on_the_page(data: Path, token: str) -> None:
    good = {"action": "start", "repository": "history", "engine": "fixed", "keys": "100", "seeds": "1", "sessions": "1"}
    good["speed"] = "1"
    async with team_server(data) as team, browsing(team.url, token) as root:
        for wrong, status in (
            ({"repository": "hidden"}, 404),
            ({"engine": "other"}, 400),
            ({"engine": "model"}, 409),
            ({"keys": "many"}, 400),
            ({"keys": "9" * 5000}, 400),
            ({"speed": "nan"}, 400),
            ({"label": "x" * 101}, 400),
            ({"action": "cancel"}, 409),
            ({"action": "other"}, 400),
        ):
            assert (await root.post("/benchmarks", good | wrong)).status == status, wrong
        assert (await root.get("/benchmarks/running")).text.strip() == ""


@pytest.mark.real
async def test_a_run_is_started_from_the_page_watched_to_its_end_and_compared(data: Path, token: str) -> None:
    KeptRuns(data).keep(result(2.0, label="last week"))
    async with team_server(data) as team, chromium(team.url) as window:
        await window.call("goto", "/benchmarks")
        await window.call("fill", "Token", token)
        await window.call("click", "Sign in")
        await window.call("goto", "/benchmarks")
        for label, value in {
            "Label": "from the page",
            "Characters": "80",
            "Replays": "1",
            "Speed": "3",
        }.items():
            await window.call("fill", label, value)
        await window.call("choose", "Repository", "history")
        await window.call("click", "Start")
        # Nobody reloads the page: the script on it shows how far the run is, and the run that is kept.
        await window.call("waitForText", "of 80 characters")
        await window.screenshot("benchmarks-running")
        await window.call("waitForText", "Look at what was measured")
        await window.call("waitForText", "Compare")
        await looks(window, "benchmarks", "/benchmarks")
        await window.call("goto", "/benchmarks")
        await window.call("follow", "Look at what was measured")
        await window.call("waitForText", "Where this was measured")
        assert await window.call("drawn") >= 2
        newest = KeptRuns(data).runs()[0].run_id
        await looks(window, "benchmark", f"/benchmark?id={newest}")
        await window.call("goto", "/benchmarks")
        await window.call("choose", "Compare", "last week")
        await window.call("choose", "with", "from the page")
        await window.call("click", "Compare")
        assert await window.call("path") == "/benchmarks/compare"
        await window.call("waitForText", "last week")
        older = KeptRuns(data).runs()[1].run_id
        await looks(window, "comparison", f"/benchmarks/compare?old={older}&new={newest}")
        await window.call("goto", f"/benchmark?id={older}")
        await window.call("click", "Delete")
        assert await window.call("path") == "/benchmarks"
        # What runs is ended by a button as well, and the page says so.
        await window.call("fill", "Characters", "20000")
        await window.call("click", "Start")
        await window.call("click", "Cancel")
        await window.call("waitForText", "cancelled")
        assert await window.call("complaints") == []
    assert [run.run_id for run in KeptRuns(data).runs()] == [newest]


async def looks(window: Chromium, name: str, path: str) -> None:
    """Look at a page in both schemes and at the width of a phone."""
    for look, how in {"dark": {"dark": True}, "phone": {"phone": True}, "light": {}}.items():
        await window.look(**how)
        await window.call("goto", path)
        await window.call("drawn")
        assert await window.call("accessibility") == [], (name, look)
        assert await window.call("overflow") <= 0, (name, look)
        await window.screenshot(f"{name}-{look}")
