"""Runs that are kept: listed, read, bounded in number, and never taken for what they are not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.errors import RunUnreadable, UnknownRun
from server.runs.kept import KeptRuns
from tests.server.runs.results import result


@pytest.fixture
def kept(tmp_path: Path) -> KeptRuns:
    return KeptRuns(tmp_path)


def test_what_is_kept_is_listed_read_and_deleted(kept: KeptRuns) -> None:
    assert kept.runs() == []
    first = kept.keep(result(label="before"))
    second = kept.keep(result(6.0, label="after"))
    os.utime(kept.folder / f"{first}.json", (1000, 1000))
    assert [(run.run_id, run.facts["label"], run.problem) for run in kept.runs()] == [
        (second, "after", ""),
        (first, "before", ""),
    ]
    assert kept.runs()[1].figures["lsp"]["p50_added_ttft_ms"] == pytest.approx(4.0, rel=0.2)
    assert kept.read(first)["label"] == "before"
    assert kept.folder.stat().st_mode & 0o077 == 0
    # What is half written lies elsewhere, where no backup looks.
    assert {file.suffix for file in kept.folder.iterdir()} == {".json"}
    kept.remove(first)
    assert [run.run_id for run in kept.runs()] == [second]
    for gone in (first, "../accounts", "", "a/b", "x" * 200, "run.lock\n"):
        with pytest.raises(UnknownRun):
            kept.read(gone)
        with pytest.raises(UnknownRun):
            kept.remove(gone)


def test_files_are_read_again_only_when_they_have_changed(kept: KeptRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = kept.keep(result(label="one"))
    kept.runs()
    with monkeypatch.context() as patch:
        patch.setattr(KeptRuns, "read", None)
        assert kept.runs()[0].facts["label"] == "one"
    (kept.folder / f"{run_id}.json").write_text(json.dumps(result(label="another")))
    assert kept.runs()[0].facts["label"] == "another"


def test_the_oldest_go_first(kept: KeptRuns) -> None:
    ids = [kept.keep(result()) for _ in range(4)]
    for age, run_id in enumerate(ids):
        os.utime(kept.folder / f"{run_id}.json", (1000 + age, 1000 + age))
    assert kept.prune(2) == [ids[1], ids[0]]
    assert [run.run_id for run in kept.runs()] == [ids[3], ids[2]]


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda value: value.pop(name)


def path_with(**wrong: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["paths"]["lsp"].update(wrong)


@pytest.mark.parametrize(
    "harm",
    [
        without("benchmark"),
        without("machine"),
        without("paths"),
        lambda value: value.update(sessions="<b>1</b>"),
        lambda value: value.update(paths={"lsp": []}),
        lambda value: value.update(label=["x"]),
        lambda value: value.update(label="half\udcff"),
        lambda value: value["paths"].update({"half\udcff": value["paths"]["lsp"]}),
        path_with(samples_ms={"ttft": ["1"]}),
        path_with(samples_ms=None),
        path_with(by_seed={"1": []}),
        path_with(stages_ms={}),
        path_with(excluded={"reason": "many"}),
        path_with(excluded={"half\udcff": 1}),
        path_with(p50_ttft_ms="quick"),
        path_with(p50_ttft_ms=None),
        path_with(p95_ttft_ms=float("nan")),
        path_with(p95_ttft_ms=10**400),
        path_with(requests=True),
    ],
)
def test_what_is_no_result_is_listed_with_its_problem(kept: KeptRuns, harm: Callable[[dict[str, Any]], None]) -> None:
    run_id = kept.keep({})
    value = result()
    harm(value)
    (kept.folder / f"{run_id}.json").write_text(json.dumps(value))
    (run,) = kept.runs()
    assert run.problem
    with pytest.raises(RunUnreadable):
        kept.read(run_id)


def test_damaged_files_hide_no_other(kept: KeptRuns) -> None:
    good = kept.keep(result())
    (kept.folder / "cut.json").write_text(json.dumps(result())[:1000])
    (kept.folder / "deep.json").write_text("[" * 100_000)
    (kept.folder / "bytes.json").write_bytes(b"\xff\x00")
    (kept.folder / "directory.json").mkdir()
    (kept.folder / os.fsdecode(b"name \xff.json")).write_text(json.dumps(result()))
    found = {run.run_id: run.problem for run in kept.runs()}
    assert found.pop(good) == ""
    assert set(found) == {"cut", "deep", "bytes", "directory", "name \ufffd"}
    assert all(found.values())
