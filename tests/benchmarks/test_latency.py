"""The latency benchmark: a short replay through the real Hearth, and what it concludes from what it saw."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.latency.engine_use import cancel_seconds, irrelevant_at, wasted
from benchmarks.latency.journal import ABORTED, FINISHED, HEARTH, Entry, Journal, Truth
from benchmarks.latency.measured import Asked, Event, Measured
from benchmarks.latency.page import write_page
from benchmarks.latency.prefix_cache import PrefixCache
from benchmarks.latency.results import Samples, report
from benchmarks.latency.timed import Timing, continuation
from benchmarks.typing import history_base, sessions
from server.runs.compare import compare, regressed
from server.runs.figures import DEFINITIONS
from tests.conftest import Repository

BEFORE = '"""Prices of a shop."""\n\n\ndef total(prices):\n'
TYPED = "    result = sum(prices)\n    return round(result, 2)"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository whose later commits add functions."""
    path = tmp_path_factory.mktemp("history") / "shop"
    path.mkdir()
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    text = BEFORE + "    return sum(prices)\n"
    repository.commit({"shop/prices.py": text}, "Open the shop")
    for name in ("rounded", "reduced", "doubled", "counted", "checked"):
        text += f"\n\ndef {name}(prices):\n    values = [price * 2 for price in prices]\n    return sum(values)\n"
        repository.commit({"shop/prices.py": text, "notes.txt": name}, f"Add {name}")
    return repository


@pytest.fixture(scope="module")
def replayed(history: Repository, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The JSON and the page of a short replay on both paths, against the engine with fixed latencies."""
    output = tmp_path_factory.mktemp("replayed") / "latency.json"
    command = [sys.executable, "-m", "benchmarks.latency", "--repo", str(history.path), "--output", str(output)]
    options = ["--keys", "120", "--seeds", "1", "--sessions", "1", "--speed", "2", "--commits", "5", "--wrong", "0.3"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text()), output.with_suffix(".html").read_text()


def test_a_replay_through_both_paths_gives_sane_figures(replayed: tuple[dict[str, Any], str]) -> None:
    result, _ = replayed
    assert list(result["paths"]) == ["lsp", "serve"]
    for values in result["paths"].values():
        assert values["characters"] >= 120
        assert values.get("failed", 0) == 0
        assert values["requests"] == values["keys"]
        assert 30 <= values["p50_raw_ttft_ms"] < 1000
        assert values["p50_ttft_fresh_ms"] > values["p50_raw_ttft_ms"] + values["p50_added_ttft_ms"]
        assert 0 < values["p50_added_ttft_ms"] < 1000
        assert values["engine_requests"] < values["requests"], "what is typed along is not asked again"
        assert 0 <= values["wasted_token_ratio"] < 1
        assert 0 < values["prefix_cache_hit_ratio"] < 1
        assert set(values["by_seed"]) == {"1"}
        assert "requests to the engine that were not recognised" not in values["excluded"]


def test_the_page_shows_what_the_json_says_and_loads_nothing(replayed: tuple[dict[str, Any], str]) -> None:
    result, page = replayed
    for values in result["paths"].values():
        for name in ("p50_ttft_ms", "p95_added_ttft_ms", "p50_raw_ttft_ms"):
            assert f"{values[name]:.2f}" in page
    assert result["commit"] in page
    assert result["machine"] in page
    own = page.replace(page[page.index("<script>") : page.index("</script>")], "")
    assert "http://" not in own
    assert "https://" not in own
    assert "src=" not in own
    assert page.count("</script>") == 2


def test_the_documents_define_every_figure_as_the_page_does() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md").read_text()
    text = text.partition("\n## Latency\n")[2].partition("\n## ")[0]
    assert [f"| `{name}` | {meaning} |" for name, meaning in DEFINITIONS.items()] == [
        line for line in text.splitlines() if line.startswith("| `")
    ]


def test_a_hunk_is_typed_into_the_parent_with_what_stands_above_it_done(
    make_repository: Callable[..., Repository],
) -> None:
    repository = make_repository({"a.py": "one = 1\n\ntwo = 2\n\nthree = 3\n"})
    repository.commit({"a.py": "one = 1\nhalf = 0.5\n\ntwo = 2\nmore = 2.5\n\nthree = 3\n"}, "Add fractions")
    first, second = sessions(repository.path, history_base(repository.path, 1), seed=1)
    assert (first.before, first.typed, first.after) == ("one = 1\n", "half = 0.5", "\n\ntwo = 2\n\nthree = 3\n")
    assert second.before == "one = 1\nhalf = 0.5\n\ntwo = 2\n"
    assert (second.typed, second.after) == ("more = 2.5", "\n\nthree = 3\n")


@pytest.mark.parametrize(
    "layout", ["<PRE>{prefix}<SUF>tail<MID>", "<SUF>tail<PRE>{prefix}<MID>", "other file\n{prefix}"]
)
def test_a_prompt_is_recognised_in_any_layout(layout: str) -> None:
    journal = Journal(lambda ids: "".join(map(chr, ids)))
    journal.begin(Truth(6, "def other(things):\n" + BEFORE[:-8], "x"))
    journal.begin(Truth(7, BEFORE, TYPED))
    prompt = layout.format(prefix=BEFORE + TYPED[:12])
    for value in (prompt, [ord(character) for character in prompt]):
        entry = journal.add({"prompt": value}, HEARTH, 0.0)
        assert (entry.session, entry.position) == (7, 12)
    assert journal.add({"prompt": "something else"}, HEARTH, 0.0).session == -1


def test_the_timed_engine_goes_on_with_what_was_typed_as_often_as_it_is_told() -> None:
    truth = Truth(1, BEFORE, TYPED * 40)
    assert "".join(continuation(truth, 7, Timing(wrong=0.0))) == truth.typed[7:]
    right, said = continuation(truth, 0, Timing(wrong=0.0)), continuation(truth, 0, Timing(wrong=0.2))
    wrong = sum(one != other for one, other in zip(right, said, strict=True)) / len(right)
    assert 0.1 < wrong < 0.3
    assert said == continuation(truth, 0, Timing(wrong=0.2))


def test_the_prefix_cache_counts_whole_blocks_up_to_the_first_difference() -> None:
    cache = PrefixCache()
    assert cache.take(range(40)) == 0
    assert cache.take(range(40)) == 32
    assert cache.take(range(32)) == 16, "the last token is always computed"
    assert cache.take([*range(16), 99, *range(17, 40)]) == 16
    assert cache.take(range(40), salt="other") == 0


def test_a_request_is_irrelevant_from_the_key_or_token_that_contradicts() -> None:
    entry = Entry(0, HEARTH, 1, 4, arrived=1.0, parts=[(1.03, "result"), (1.04, " = 0")])
    fits = [Event(1, 5, 1.1), Event(1, 6, 1.2)]
    assert irrelevant_at(entry, fits, TYPED) is None
    assert irrelevant_at(entry, [Event(1, 20, 1.1)], TYPED) == 1.1, "= 0 is not what is typed"
    assert irrelevant_at(entry, [*fits, Event(1, 6, 1.25)], TYPED) == 1.25, "taken back"
    assert irrelevant_at(entry, [*fits, Event(1, 6, 1.25), Event(1, 7, 1.3)], TYPED) == 1.25, "a key, but much later"
    assert irrelevant_at(entry, [*fits, Event(1, 6, 1.25), Event(1, 7, 1.256)], TYPED) is None, "taken up by a key"
    assert irrelevant_at(entry, [*fits, Event(1, 6, 1.25), Event(1, 20, 1.256)], TYPED) == 1.256, "which does not fit"
    assert irrelevant_at(entry, [*fits, Event(1, -1, 1.3)], TYPED) == 1.3, "closed"
    late = Entry(0, HEARTH, 1, 4, arrived=1.0, parts=[(1.3, "other")])
    assert irrelevant_at(late, [Event(1, 6, 1.1)], TYPED) == 1.3, "nothing contradicts before the token"


def test_cancels_and_waste_are_told_from_what_was_wanted() -> None:
    measured = Measured(typed={1: TYPED}, events=[Event(1, 5, 1.1), Event(1, 30, 1.2)])
    measured.asked = [Asked(1, 5, 1.1, ended=1.15, outcome="answered", text="esult = 0")]
    given_up = Entry(0, HEARTH, 1, 4, 1.0, [(1.03, "result = 0")], ended=1.209, outcome=ABORTED, tokens=3)
    had_enough = Entry(1, HEARTH, 1, 4, 1.0, [(1.03, "result")], ended=1.05, outcome=ABORTED, tokens=1)
    unseen = Entry(2, HEARTH, 1, 0, 1.0, [(1.03, "while True")], ended=1.3, outcome=FINISHED, tokens=2)
    assert cancel_seconds([given_up, had_enough, unseen], measured) == pytest.approx([0.009])
    assert wasted([given_up, had_enough, unseen], measured) == [False, True, True]


def result_with(added_ms: float, seed: int) -> dict[str, Any]:
    """Return a result whose added time to the first token is log-normal around ``added_ms``."""
    chance = random.Random(seed)
    by_seed = {}
    for number in (1, 2, 3):
        by_seed[number] = Samples()
        by_seed[number].times["added_ttft"] = [chance.lognormvariate(0, 0.4) * added_ms / 1000 for _ in range(150)]
        by_seed[number].counts.update(generated_tokens=1000, wasted_tokens=90 + chance.randrange(20))
    total = Samples()
    for one in by_seed.values():
        total.times["added_ttft"] += one.times["added_ttft"]
        total.counts += one.counts
    return {"paths": {"lsp": report(total, by_seed)}}


def test_compare_finds_a_planted_regression() -> None:
    changes = compare(result_with(4.0, 1), result_with(6.0, 2))
    assert {change.name: change.verdict for change in changes}["p50_added_ttft_ms"] == "worse"
    assert regressed(changes)
    assert not regressed(compare(result_with(6.0, 2), result_with(4.0, 1)))


@pytest.mark.parametrize("seed", range(6))
def test_compare_takes_no_noise_for_a_regression(seed: int) -> None:
    assert not regressed(compare(result_with(4.0, seed), result_with(4.0, seed + 100)))


def test_a_page_is_made_of_a_result_without_any_answer(tmp_path: Path, replayed: tuple[dict[str, Any], str]) -> None:
    result = {**replayed[0], "paths": {"lsp": report(Samples(), {1: Samples()})}, "repository": "<script>alert(1)"}
    result["paths"]["lsp"]["requests"] = 0
    write_page(result, tmp_path / "page.html")
    assert "<script>alert" not in (tmp_path / "page.html").read_text()
