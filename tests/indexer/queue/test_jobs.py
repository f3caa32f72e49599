"""The queue loses nothing, coalesces, takes turns, and sets aside what is hopeless."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.errors import IndexCorrupt, NameTaken, NewerData, UnknownRepository
from indexer.queue import Claim, JobKind, JobState, Origin, Queue, Repository
from indexer.queue.database import DATABASE, SCHEMA
from indexer.queue.jobs import MOST_BACKOFF_SECONDS, backoff_seconds

ATTEMPTS = 3


@pytest.fixture
def queue(data: Path) -> Iterator[Queue]:
    """A queue with two repositories of which nothing waits."""
    with Queue(data) as opened:
        for name in ("shop", "billing"):
            opened.register(Repository(name, f"/srv/{name}.git"))
        while claim := opened.claim():
            opened.finish(claim)
        yield opened


def claimed(queue: Queue) -> Claim:
    claim = queue.claim()
    assert claim is not None
    return claim


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(time, "time", lambda: seconds)


def test_pushes_to_one_ref_wait_as_one_job(queue: Queue) -> None:
    for _ in range(50):
        queue.enqueue("shop", ("main",), reason="push")
    queue.enqueue("shop", ("main", "dev"), reason="push")
    claim = claimed(queue)
    assert (claim.repository, claim.refs) == ("shop", ("main", "dev"))
    queue.finish(claim)
    assert queue.claim() is None
    assert queue.jobs() == []


def test_a_push_that_comes_while_its_ref_is_indexed_waits_for_the_next_turn(queue: Queue) -> None:
    queue.enqueue("shop", ("main",), reason="push")
    first = claimed(queue)
    queue.enqueue("shop", ("main",), reason="push")
    assert queue.claim() is None
    queue.finish(first)
    again = claimed(queue)
    assert again.refs == ("main",)
    queue.finish(again)
    assert queue.jobs() == []


def test_a_flood_of_one_repository_does_not_hold_up_another(queue: Queue) -> None:
    served: list[str] = []
    for number in range(5):
        queue.enqueue("shop", [f"branch-{number}-{n}" for n in range(20)], reason="push")
        if number == 1:
            queue.enqueue("billing", ("main",), reason="push")
        claim = claimed(queue)
        served.append(claim.repository)
        queue.finish(claim)
        if number == 1:
            # It was served later than "billing", however much more of it waits.
            queue.enqueue("shop", ("more",), reason="push")
    assert "billing" in served[1:3]


def test_repositories_take_turns(queue: Queue) -> None:
    for number in range(4):
        for name in ("shop", "billing"):
            queue.enqueue(name, (f"b{number}",), reason="push")
    turns = []
    for number in range(4):
        claim = claimed(queue)
        turns.append(claim.repository)
        queue.enqueue(claim.repository, (f"again-{number}",), reason="push")
        queue.finish(claim)
    assert turns in (["shop", "billing"] * 2, ["billing", "shop"] * 2)


def test_a_failing_job_is_tried_later_each_time_and_then_set_aside_with_its_error(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    queue.enqueue("shop", ("main",), reason="push")
    for attempt in range(1, ATTEMPTS + 1):
        claim = claimed(queue)
        aside = queue.fail(claim, f"no luck {attempt}", most_attempts=ATTEMPTS)
        assert aside == (attempt == ATTEMPTS)
        assert queue.claim() is None
        now += MOST_BACKOFF_SECONDS
        set_clock(monkeypatch, now)
    [job] = queue.jobs()
    assert (job.state, job.attempts, job.error) == (JobState.FAILED, ATTEMPTS, f"no luck {ATTEMPTS}")
    assert queue.claim() is None
    assert queue.retry(job.job_id)
    assert claimed(queue).refs == ("main",)


def test_a_push_gives_a_job_that_was_set_aside_one_more_try(queue: Queue) -> None:
    queue.enqueue("shop", ("main",), reason="push")
    queue.fail(claimed(queue), "broken", most_attempts=1)
    assert queue.claim() is None
    queue.enqueue("shop", ("main",), reason="push")
    assert queue.fail(claimed(queue), "still broken", most_attempts=1)


def test_a_ref_that_failed_goes_alone_and_fails_no_other(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.enqueue("shop", ("good", "bad"), reason="push")
    assert not queue.fail(claimed(queue), "one of them", most_attempts=ATTEMPTS)
    set_clock(monkeypatch, time.time() + MOST_BACKOFF_SECONDS)
    assert sorted([claimed(queue).refs, claimed(queue).refs]) == [("bad",), ("good",)]


def test_waiting_grows_to_a_bound_and_is_spread() -> None:
    waits = [backoff_seconds(attempt) for attempt in range(1, 40)]
    assert waits[0] < 10
    assert waits[1] > waits[0] / 2
    assert max(waits) <= MOST_BACKOFF_SECONDS * 1.25
    assert len({backoff_seconds(3) for _ in range(10)}) > 1


@pytest.mark.parametrize("jump", [-30 * 86_400.0, -3600.0, 3600.0, 30 * 86_400.0])
def test_a_clock_that_jumps_loses_nothing(queue: Queue, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    queue.enqueue("shop", ("main",), reason="push")
    held = claimed(queue)
    queue.enqueue("billing", ("main",), reason="push")
    queue.fail(claimed(queue), "later", most_attempts=ATTEMPTS)
    queue.enqueue("billing", ("dev",), reason="push")
    set_clock(monkeypatch, time.time() + jump)
    # What nobody has tried yet, and what is to be tried again in seconds.
    assert sorted((claimed(queue).refs, claimed(queue).refs)) == [("dev",), ("main",)]
    # What is being done is still held: no lease runs out by the clock.
    assert queue.claim() is None
    queue.finish(held)


def test_what_a_killed_dispatcher_had_claimed_waits_again(data: Path, queue: Queue) -> None:
    queue.enqueue("shop", ("main", "dev"), reason="push")
    code = (
        "import os, signal, sys; from pathlib import Path; from indexer.queue import Queue\n"
        "queue = Queue(Path(sys.argv[1])); assert queue.claim(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(data)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert queue.claim() is None
    assert queue.recover() == 2
    assert claimed(queue).refs == ("main", "dev")


def test_a_dispatcher_that_lost_its_claim_finishes_nothing(queue: Queue) -> None:
    queue.enqueue("shop", ("main",), reason="push")
    lost = claimed(queue)
    queue.recover()
    held = claimed(queue)
    queue.finish(lost)
    assert [job.state for job in queue.jobs()] == [JobState.RUNNING]
    queue.finish(held)
    assert queue.jobs() == []


def test_what_comes_while_a_repository_is_paused_waits(queue: Queue) -> None:
    queue.pause("shop")
    queue.enqueue("shop", ("main",), reason="push")
    assert queue.claim() is None
    queue.resume("shop")
    assert claimed(queue).repository == "shop"


def test_removing_forgets_what_waits_and_is_done_even_while_paused(queue: Queue) -> None:
    queue.pause("shop")
    queue.enqueue("shop", ("main",), reason="push")
    queue.remove("shop")
    claim = claimed(queue)
    assert (claim.kind, claim.repository) == (JobKind.REMOVE, "shop")
    assert [job.kind for job in queue.jobs()] == [JobKind.REMOVE]
    with pytest.raises(UnknownRepository, match="shop"):
        queue.enqueue("shop", reason="push")


def test_polls_are_asked_for_when_their_time_has_come(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.register(Repository("polled", "https://git.example.com/polled", poll_minutes=5))
    while claim := queue.claim():
        queue.finish(claim)
    now = time.time()
    assert queue.enqueue_due_polls() == ["polled"]
    assert queue.enqueue_due_polls() == []
    set_clock(monkeypatch, now + 301)
    assert queue.enqueue_due_polls() == ["polled"]
    set_clock(monkeypatch, now - 86_400)
    assert queue.enqueue_due_polls() == ["polled"]


def test_names_and_sources_belong_together(queue: Queue) -> None:
    with pytest.raises(NameTaken, match=r"belongs to /srv/shop\.git"):
        queue.register(Repository("shop", "/srv/other.git"))
    with pytest.raises(NameTaken, match="under the name 'shop'"):
        queue.register(Repository("store", "/srv/shop.git"))


def test_the_configuration_adds_changes_and_removes_its_own_repositories_only(queue: Queue) -> None:
    wanted = Repository("docs", "https://git.example.com/docs", ("main",))
    queue.configure([wanted])
    assert [(one.name, one.origin) for one in queue.repositories()] == [
        ("billing", Origin.COMMAND),
        ("docs", Origin.CONFIGURATION),
        ("shop", Origin.COMMAND),
    ]
    queue.finish(claimed(queue))
    queue.configure([wanted])
    assert queue.jobs() == []
    queue.configure([])
    assert [one.name for one in queue.repositories()] == ["billing", "shop"]
    assert claimed(queue).kind is JobKind.REMOVE


def test_a_full_disk_is_said_and_loses_nothing_that_was_accepted(data: Path, queue: Queue) -> None:
    queue.enqueue("shop", ("main",), reason="push")
    code = (
        "import resource, signal, sys; from pathlib import Path; from indexer.queue import Queue\n"
        "from indexer.errors import DiskFull\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "queue = Queue(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))\n"
        "try:\n queue.enqueue('shop', [f'branch-{n}' for n in range(5_000)], reason='push')\n"
        "except DiskFull as error:\n print('full:', error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("full:"), done.stderr
    assert claimed(queue).refs == ("main",)


def test_a_damaged_queue_is_said_with_what_to_do(data: Path) -> None:
    data.mkdir()
    (data / DATABASE).write_bytes(b"this is no database" * 500)
    with pytest.raises(IndexCorrupt, match=DATABASE) as caught:
        Queue(data)
    assert "register" in caught.value.advice


def test_changes_are_seen_across_connections_and_within_one(data: Path, queue: Queue) -> None:
    seen = queue.changes()
    assert queue.changes() == seen
    with Queue(data) as other:
        other.enqueue("shop", ("main",), reason="push")
    assert (after := queue.changes()) != seen
    queue.enqueue("shop", ("dev",), reason="push")
    assert queue.changes() != after


def test_an_upgrade_keeps_every_repository_and_job(data: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.enqueue("shop", ("main",), reason="push")
    before = queue.repositories(), queue.jobs()
    queue.close()
    step = "ALTER TABLE repository ADD COLUMN note TEXT NOT NULL DEFAULT '';\n"
    monkeypatch.setattr("indexer.queue.database.SCHEMA", replace(SCHEMA, steps=(*SCHEMA.steps, step)))
    with Queue(data) as upgraded:
        assert (upgraded.repositories(), upgraded.jobs()) == before
    monkeypatch.setattr("indexer.queue.database.SCHEMA", SCHEMA)
    with pytest.raises(NewerData, match=DATABASE):
        Queue(data)
