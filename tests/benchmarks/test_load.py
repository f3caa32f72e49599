"""The load benchmark: a short run with everything in it, and what it concludes from what it saw."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load.watching import Usage, Watched, loop_lag, memory_figures, processor_share
from tests.conftest import Repository


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON of a few seconds with a few editors, and a push in the middle."""
    directory = tmp_path_factory.mktemp("load")
    repository = Repository(directory / "shop")
    repository.path.mkdir()
    repository.git("init", "--quiet", "--initial-branch=main")
    texts = {
        f"shop/module_{number}.py": f'"""Module {number} of a shop."""\n\nRATE = {number}\n' for number in range(4)
    }
    repository.commit(texts, "Open the shop")
    for name in ("rounded", "reduced"):
        for path in texts:
            texts[path] += (
                f"\n\ndef {name}(prices):\n    values = [price * RATE for price in prices]\n    return values\n"
            )
        repository.commit(texts, f"Add {name}")
    command = [sys.executable, "-m", "benchmarks.load", "--repo", str(repository.path), "--commits", "2", "--json"]
    options = [
        "--editors",
        "6",
        "--rate",
        "3",
        "--minutes",
        "0.3",
        "--speed",
        "2",
        "--compared",
        "1",
        "--reindex",
        "20",
    ]
    output = ["--output", str(directory / "load.json")]
    done = subprocess.run([*command, *options, *output], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads((directory / "load.json").read_text())["parts"] == json.loads(done.stdout)["parts"]
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_each_part_has_its_figures_and_nothing_fails(result: dict[str, Any]) -> None:
    assert list(result["parts"]) == ["before", "during", "after"]
    assert result["errors"] == {}
    for name in ("before", "after"):
        part = result["parts"][name]
        assert part["requests"] > 0
        assert part["failed"] == 0
        assert part["engine_requests_per_second"] > 0
        assert 0 <= part["p50_loop_lag_ms"] <= part["p99_loop_lag_ms"]
    assert sum(part["compared"] for part in result["parts"].values()) > 0


def test_what_was_pushed_is_shown_and_memory_was_looked_at(result: dict[str, Any]) -> None:
    assert result["reindex"]["files"] == 20
    assert 0 < result["reindex"]["push_s"] < result["reindex"]["published_s"]
    assert 0 < result["memory"]["memory_start_mib"] <= result["memory"]["memory_max_mib"]


def test_growth_is_that_of_the_second_half_a_minute() -> None:
    grown = [
        Usage(at=30.0 * step, own=(100 + 2 * min(step, 4)) << 20, resident=1 << 30, processor_s=step)
        for step in range(10)
    ]
    assert memory_figures(grown)["memory_growth_mib_per_minute"] == pytest.approx(0.0, abs=0.01)
    leaking = [
        Usage(at=30.0 * step, own=(100 + 2 * step) << 20, resident=1 << 30, processor_s=step) for step in range(10)
    ]
    assert memory_figures(leaking)["memory_growth_mib_per_minute"] == pytest.approx(4.0)
    assert processor_share(leaking) == pytest.approx(1 / 30, abs=0.001)


def test_lag_is_told_from_the_buckets_that_filled_meanwhile() -> None:
    name = 'hearth_event_loop_lag_seconds_bucket{le="%s"}'
    before = {name % "0.001": 1000.0, name % "0.01": 1000.0, name % "+Inf": 1000.0}
    after = {name % "0.001": 1050.0, name % "0.01": 1100.0, name % "+Inf": 1100.0, "hearth_sessions": 3.0}
    lag = loop_lag(before, after)
    assert lag["p50_loop_lag_ms"] == pytest.approx(1.0)
    assert 9.0 < lag["p95_loop_lag_ms"] < 10.0
    assert loop_lag(after, after) == {}


def test_a_process_that_is_gone_is_not_looked_at() -> None:
    watched = Watched(process_id=2**22 + 1)
    watched.look()
    assert watched.usage == []


def test_the_documents_name_every_figure() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md").read_text()
    for name in ("processor_share", "processor_ms_per_request", "engine_requests_per_second", "compared", "p95_rise"):
        assert f"`{name}`" in text
