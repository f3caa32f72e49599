"""What is written down of the real metrics, and what trouble with the file, the clock and the process costs."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from server.completion import metrics as completion
from server.config import HistoryConfig
from server.engine.metrics import StageTimes
from server.errors import HistoryError
from server.history import FILE_NAME, History, Price, Prices, Recorder, Span, Split, latency, recording, usage
from server.history.measures import Amounts, Series
from server.history.store import DAY, HOUR, MINUTE, Period
from server.types import Caller
from tests.patience import WAIT_SECONDS

NOON = 1_800_014_400.0
"""A full hour, a while from now."""


class Clocks:
    """A clock that a test sets, and one that only goes on."""

    def __init__(self) -> None:
        self.wall = NOON
        self.steady = 1000.0

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


class Worker:
    """Counts as the server does, for a team of its own."""

    def __init__(self) -> None:
        self.team = f"team-{uuid4().hex[:8]}"

    def work(self, *seconds: float, tokens: int = 0) -> None:
        times = StageTimes(completion.STAGE_SECONDS, Caller("ana", self.team, editor="zed"))
        for one in seconds:
            times.note("total", one)
        times.count("qwen-test")
        completion.SHOWN.labels("vllm", "qwen-test", "zed", self.team).inc()
        completion.GENERATED_TOKENS.labels("vllm", "qwen-test", "zed", self.team).inc(tokens)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History(tmp_path, HistoryConfig()) as opened:
        yield opened


def make_recorder(history: History, clocks: Clocks) -> Recorder:
    return Recorder(history, clock=lambda: clocks.wall, steady=lambda: clocks.steady)


def shown(history: History, worker: Worker, now: float = NOON) -> list[float]:
    """What the team was shown in each step of the hour before; only steps that have any."""
    by_team = {group.name: group for group in usage(history, Span.HOUR, Split.TEAM, now).groups}
    return [used.shown for used in by_team[worker.team].steps if used.shown] if worker.team in by_team else []


def test_what_the_metrics_grow_by_is_written_by_the_minute(history: History, clocks: Clocks, worker: Worker) -> None:
    recorder = make_recorder(history, clocks)
    worker.work(0.012, 0.018, tokens=7)
    recorder.write()
    clocks.go_on(MINUTE)
    worker.work(0.25)
    worker.work(0.25)
    recorder.write()
    clocks.go_on(MINUTE)
    recorder.write()
    clocks.go_on(10 * MINUTE)
    worker.work(tokens=5)
    recorder.write()
    found = latency(history, "completion", "total", Span.HOUR, split=Split.TEAM, now=clocks.wall)
    (group,) = [group for group in found.groups if group.name == worker.team]
    assert [step.count for step in group.steps if step.count] == [2, 2]
    assert group.all.count == 4
    first, second = (step for step in group.steps if step.count)
    assert 0.01 <= first.p50 <= 0.0125
    assert 0.0175 <= first.p99 <= 0.02
    assert 0.2 <= second.p50 <= 0.3
    assert shown(history, worker, clocks.wall) == [1, 2, 1]
    (mine,) = [one for one in usage(history, Span.MONTH, Split.TEAM, clocks.wall).groups if one.name == worker.team]
    assert (mine.all.shown, mine.all.completion_tokens) == (4, 12)


def test_the_same_times_are_told_apart_by_model_and_by_editor(history: History, clocks: Clocks, worker: Worker) -> None:
    recorder = make_recorder(history, clocks)
    recorder.write()
    history.forget_old(clocks.wall + 1000 * DAY)
    worker.work(0.1)
    recorder.write()
    for split, name in ((Split.MODEL, "qwen-test"), (Split.EDITOR, "zed"), (Split.NOTHING, "")):
        found = latency(history, "completion", "total", Span.DAY, split=split, now=clocks.wall)
        assert [(group.name, group.all.count) for group in found.groups] == [(name, 1)]
        assert [stage.name for stage in found.stages] == ["total"]


async def test_the_last_of_it_is_written_when_serving_ends(history: History, worker: Worker) -> None:
    async with recording(history, HistoryConfig()):
        worker.work(0.1)
    found = usage(history, Span.HOUR, Split.TEAM)
    assert [group.all.shown for group in found.groups if group.name == worker.team] == [1]


async def test_nothing_is_kept_where_it_is_switched_off(tmp_path: Path, worker: Worker) -> None:
    off = HistoryConfig(enabled=False)
    with History(tmp_path, off) as history:
        async with recording(history, off):
            worker.work(0.1)
        assert not (tmp_path / FILE_NAME).exists()


def test_old_minutes_and_hours_are_forgotten_each_after_its_time(tmp_path: Path) -> None:
    series = Series("hearth_suggestions_shown_total", (("team", "a"),))
    with History(tmp_path, HistoryConfig(minutes_days=1, hours_days=3)) as history:
        for days in range(5):
            history.add(NOON - days * DAY - 1, Amounts({series: 1.0}))
        history.forget_old(NOON)
        minutes = history.counts([series.metric], Period(0, int(NOON), MINUTE, MINUTE))
        hours = history.counts([series.metric], Period(0, int(NOON), HOUR, HOUR))
        assert (len(minutes), len(hours)) == (1, 3)
        history.forget_old(NOON + 100 * DAY)
        assert not history.counts([series.metric], Period(0, int(NOON), HOUR, HOUR))


def test_a_clock_that_jumps_loses_nothing_and_deletes_nothing(history: History, clocks: Clocks, worker: Worker) -> None:
    recorder = make_recorder(history, clocks)
    worker.work(0.1)
    recorder.write()
    clocks.go_on(2 * HOUR)
    clocks.wall += 10 * 365 * DAY
    for _ in range(3):
        worker.work(0.1)
        recorder.write()
        clocks.go_on(MINUTE)
    clocks.wall -= 10 * 365 * DAY
    worker.work(0.1)
    recorder.write()
    assert sum(shown(history, worker, clocks.wall)) == 1
    day = usage(history, Span.DAY, Split.TEAM, clocks.wall)
    assert [group.all.shown for group in day.groups if group.name == worker.team] == [2]
    clocks.wall -= 20 * 365 * DAY
    worker.work(0.1)
    recorder.write()
    before = usage(history, Span.DAY, Split.TEAM, clocks.wall)
    assert [group.all.shown for group in before.groups if group.name == worker.team] == [1]


def test_a_clock_that_went_on_for_an_hour_is_believed(history: History, clocks: Clocks, worker: Worker) -> None:
    recorder = make_recorder(history, clocks)
    worker.work(0.1)
    recorder.write()
    clocks.go_on(3 * DAY)
    recorder.write()
    all_time = Period(0, int(clocks.wall) - DAY, DAY, MINUTE)
    assert not history.counts(["hearth_suggestions_shown_total"], all_time)
    assert history.counts(["hearth_suggestions_shown_total"], replace(all_time, width=HOUR))


def test_a_full_disk_is_said_once_and_what_came_meanwhile_is_written_later(tmp_path: Path) -> None:
    # A limit on the size of files stands in for a full disk: the system refuses to write either way.
    script = textwrap.dedent(
        """
        import logging, resource, sys
        from pathlib import Path
        from server.completion import metrics
        from server.config import HistoryConfig
        from server.history import History, Recorder, Span, Split, usage
        logging.basicConfig(level="INFO", stream=sys.stdout, format="%(levelname)s %(message)s")
        history = History(Path(sys.argv[1]), HistoryConfig())
        recorder = Recorder(history)
        count = lambda: metrics.SHOWN.labels("vllm", "m", "zed", "a").inc()
        count(); recorder.write()
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
        for _ in range(3):
            count(); recorder.write()
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        count(); recorder.write()
        print(usage(history, Span.HOUR, Split.NOTHING).all.all.shown)
        """
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    errors, *rest = done.stdout.splitlines()
    assert errors.startswith("ERROR the history of metrics cannot be written")
    assert rest == ["INFO the history of metrics is written again", "5.0"]


@pytest.mark.parametrize("how", ["header", "page", "nonsense"])
def test_a_damaged_file_is_set_aside_and_said(
    tmp_path: Path, clocks: Clocks, worker: Worker, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE_NAME
    with History(tmp_path, HistoryConfig()) as history:
        history.set_prices(Prices("EUR", {f"model-{number}": Price(1.0, 2.0) for number in range(200)}))
        worker.work(0.1)
        make_recorder(history, clocks).write()
    written = bytearray(path.read_bytes())
    if how == "header":
        written[:16] = b"no database here"
    elif how == "page":
        written[4096:12_288] = b"\xff" * 8192
    else:
        written = bytearray(b"nonsense" * 1000)
    path.write_bytes(bytes(written))
    with History(tmp_path, HistoryConfig()) as history, caplog.at_level(logging.ERROR):
        recorder = make_recorder(history, clocks)
        worker.work(0.1)
        recorder.write()
        assert sum(shown(history, worker, clocks.wall)) >= 1
        assert history.prices() == Prices()
    assert "is damaged" in caplog.text
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes() == bytes(written)
    assert len(caplog.records) == 1


def test_a_file_that_is_damaged_while_it_is_open_costs_what_was_in_it(
    tmp_path: Path, clocks: Clocks, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    with History(tmp_path, HistoryConfig()) as history:
        recorder = make_recorder(history, clocks)
        worker.work(0.1)
        recorder.write()
        with sqlite3.connect(tmp_path / FILE_NAME) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (tmp_path / FILE_NAME).open("r+b") as file:
            file.write(b"\xff" * 65_536)
        for _ in range(3):
            worker.work(0.1)
            clocks.go_on(MINUTE)
            recorder.write()
        assert sum(shown(history, worker, clocks.wall)) >= 3
    assert "is damaged" in caplog.text


@pytest.mark.parametrize("damaged", ["x:2", "2", "9999:2", "0:-2"])
def test_a_changed_letter_costs_what_it_stands_in(tmp_path: Path, clocks: Clocks, worker: Worker, damaged: str) -> None:
    with History(tmp_path, HistoryConfig()) as history:
        recorder = make_recorder(history, clocks)
        worker.work(0.1)
        recorder.write()
        with sqlite3.connect(tmp_path / FILE_NAME) as other:
            other.execute("UPDATE times SET buckets = buckets || ' ' || ?", (damaged,))
        worker.work(0.1)
        recorder.write()
        found = latency(history, "completion", "total", Span.HOUR, split=Split.TEAM, now=clocks.wall)
        assert {group.name: group.all.count for group in found.groups}[worker.team] == 2


def test_a_file_of_a_newer_hearth_is_left_alone(tmp_path: Path) -> None:
    with History(tmp_path, HistoryConfig()) as history:
        history.set_prices(Prices("EUR"))
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("PRAGMA user_version = 99")
    with History(tmp_path, HistoryConfig()) as history, pytest.raises(HistoryError, match="newer Hearth"):
        history.prices()
    assert not (tmp_path / f"{FILE_NAME}.damaged").exists()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with History(tmp_path, HistoryConfig()) as history:
        history.set_prices(Prices("EUR"))
        assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.glob(f"{FILE_NAME}*"))


async def test_reading_and_writing_at_the_same_time_lose_nothing(
    history: History, clocks: Clocks, worker: Worker
) -> None:
    recorder = make_recorder(history, clocks)
    worker.work(0.1)
    reading = [asyncio.to_thread(usage, history, Span.MONTH, Split.TEAM, NOON) for _ in range(8)]
    writing = [asyncio.to_thread(recorder.write)]
    await asyncio.wait_for(asyncio.gather(*reading, *writing), WAIT_SECONDS)
    assert shown(history, worker) == [1]
