"""From a push to what searches see, through the real hook, queue, dispatcher and worker."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from benchmarks.secrets.planted import make_planted
from indexer.api import Index
from indexer.config import AllowedSecrets, IndexConfig, RepositoriesConfig
from indexer.errors import IndexerError
from indexer.hook.install import install
from indexer.hook.settings import HookSettings
from indexer.queue import JobState, Queue, Repository
from indexer.store.lock import writer_lock, writer_process
from indexer.types import IndexJob, Scope
from indexer.worker import run_job
from indexer.worker.dispatch import Dispatcher, JobEvent, JobStage
from tests.conftest import Repository as Clone
from tests.patience import WAIT_SECONDS

MakeRepository = Callable[..., Clone]

COMMAND = (sys.executable, "-P", "-m", "indexer.hook")


@pytest.fixture
def queue(data: Path) -> Iterator[Queue]:
    """The queue of ``data``."""
    with Queue(data) as opened:
        yield opened


@pytest.fixture
def clone(tmp_path: Path, data: Path, queue: Queue, make_repository: MakeRepository) -> Clone:
    """A clone whose origin is a registered bare repository with the hook, and that was pushed once."""
    made = make_repository({"a.py": "def first_function():\n    return 1\n"}, "clone")
    bare = tmp_path / "shop.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)], check=True)
    made.git("remote", "add", "origin", str(bare))
    made.git("push", "--quiet", "origin", "main")
    queue.register(Repository("shop", str(bare), ("main", "release/*", "refs/tags/v*")))
    install(bare, HookSettings("shop", data=str(data)), COMMAND)
    return made


@asynccontextmanager
async def dispatching(
    data: Path, queue: Queue, events: list[JobEvent] | None = None, config: RepositoriesConfig | None = None
) -> AsyncIterator[Dispatcher]:
    seen: list[JobEvent] = [] if events is None else events
    async with Dispatcher(data, IndexConfig(), config or RepositoriesConfig(), queue, listener=seen.append) as one:
        yield one


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 -- files tell nobody
            await asyncio.sleep(0.05)


def shown(data: Path) -> dict[str, str]:
    """Return the refs that searches see, with their commits."""
    try:
        with Index.open(data) as index:
            return {ref.ref: ref.commit for status in index.repositories() for ref in status.refs if ref.commit}
    except IndexerError:
        return {}


def found(data: Path, query: str) -> list[str]:
    with Index.open(data) as index:
        return [hit.path for hit in index.search(query, Scope(), 3) if query in hit.text]


async def test_what_is_pushed_is_found(data: Path, queue: Queue, clone: Clone) -> None:
    async with dispatching(data, queue):
        await until(lambda: "main" in shown(data))
        clone.commit({f"m{n}.py": f"def pushed_{n}():\n    return {n}\n" for n in range(10)})
        clone.git("push", "--quiet", "origin", "main")
        await until(lambda: found(data, "pushed_7") == ["m7.py"])


async def test_branches_tags_forced_pushes_and_deletions_are_followed(data: Path, queue: Queue, clone: Clone) -> None:
    async with dispatching(data, queue):
        await until(lambda: "main" in shown(data))
        first = clone.git("rev-parse", "HEAD")
        clone.git("tag", "v1")
        clone.git("push", "--quiet", "origin", "main:release/1", "main:topic", "v1")
        await until(lambda: shown(data) == {"main": first, "release/1": first, "v1": first})
        clone.git("commit", "--quiet", "--amend", "--message", "again")
        amended = clone.git("rev-parse", "HEAD")
        clone.git("push", "--quiet", "--force", "origin", "main", ":release/1", ":v1")
        await until(lambda: shown(data) == {"main": amended})


async def test_what_was_pushed_while_nobody_listened_is_caught_up(data: Path, queue: Queue, clone: Clone) -> None:
    bare = Path(queue.repositories()[0].source)
    async with dispatching(data, queue):
        await until(lambda: "main" in shown(data))
    (bare / "hooks" / "post-receive").unlink()
    commit = clone.commit({"b.py": "def missed_function():\n    return 1\n"})
    clone.git("push", "--quiet", "origin", "main")
    async with dispatching(data, queue):
        await until(lambda: shown(data) == {"main": commit})


async def test_what_the_settings_allow_of_secrets_is_looked_at_again_when_they_change(
    data: Path, queue: Queue, clone: Clone
) -> None:
    line = make_planted("github-token", 1).line
    head = clone.commit({"tests/key.py": f"{line}\n"})
    clone.git("push", "--quiet", "origin", "main")

    def shows(allowed: list[bool]) -> bool:
        with Index.open(data) as index:
            return [secret.allowed for secret in index.secrets("shop")] == allowed and not queue.jobs()

    async with dispatching(data, queue):
        await until(lambda: shown(data) == {"main": head})
        await until(partial(shows, [False]))
    for entries in ((AllowedSecrets(paths=("tests/",)),), ()):
        events: list[JobEvent] = []
        index = IndexConfig(allowed_secrets=entries)
        async with Dispatcher(data, index, RepositoriesConfig(), queue, listener=events.append):
            await until(partial(shows, [bool(entries)]))
        assert sum(report.blobs_processed for event in events for report in event.reports) == 1


async def test_many_pushes_are_indexed_in_few_runs(data: Path, queue: Queue, clone: Clone) -> None:
    events: list[JobEvent] = []
    async with dispatching(data, queue, events):
        await until(lambda: "main" in shown(data))
        before = len(events)
        for number in range(50):
            clone.git("commit", "--quiet", "--allow-empty", "--message", f"number {number}")
            clone.git("push", "--quiet", "origin", "main")
        head = clone.git("rev-parse", "HEAD")
        await until(lambda: shown(data) == {"main": head} and not queue.jobs())
    runs = [event for event in events[before:] if event.stage is JobStage.DONE]
    assert len(runs) < 50


async def test_a_push_of_five_thousand_files_is_one_run(data: Path, queue: Queue, clone: Clone) -> None:
    events: list[JobEvent] = []
    async with dispatching(data, queue, events):
        await until(lambda: "main" in shown(data))
        files = {f"p{n % 50}/m{n}.py": f"def bulk_{n}(value):\n    return value + {n}\n" for n in range(5_000)}
        head = await asyncio.to_thread(clone.commit, files)
        await asyncio.to_thread(clone.git, "push", "--quiet", "origin", "main")
        await until(lambda: shown(data) == {"main": head} and not queue.jobs())
    assert found(data, "bulk_4321") == ["p21/m4321.py"]
    last = [event for event in events if event.stage is JobStage.DONE][-1]
    assert [report.blobs_processed for report in last.reports] == [5_000]


async def test_a_repository_that_fails_holds_up_no_other_and_is_set_aside(
    data: Path, queue: Queue, clone: Clone, tmp_path: Path
) -> None:
    events: list[JobEvent] = []
    queue.register(Repository("broken", str(tmp_path / "nowhere.git")))
    async with dispatching(data, queue, events, RepositoriesConfig(attempts=1)):
        await until(lambda: "main" in shown(data) and any(event.stage is JobStage.FAILED for event in events))
        [job] = [job for job in queue.jobs() if job.repository == "broken"]
        assert job.state is JobState.FAILED
        assert "nowhere.git" in job.error


async def test_a_worker_that_is_killed_is_replaced_and_its_job_tried_again(
    data: Path, queue: Queue, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.queue.jobs.backoff_seconds", lambda _attempts: 0.1)
    clone.commit({f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(300)})
    clone.git("push", "--quiet", "origin", "main")
    events: list[JobEvent] = []
    async with dispatching(data, queue, events):
        await until(lambda: any(event.progress and event.progress.stage == "blobs" for event in events))
        os.kill(writer_process(data), signal.SIGKILL)
        await until(lambda: shown(data).get("main") == clone.git("rev-parse", "HEAD") and not queue.jobs())
    assert any("killed by signal 9" in event.error for event in events)


async def test_another_writer_is_waited_for_without_counting_a_try(data: Path, queue: Queue, clone: Clone) -> None:
    events: list[JobEvent] = []
    code = (
        "import sys; from pathlib import Path; from indexer.store.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])):\n print('held', flush=True); sys.stdin.read()"
    )
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(data), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    await holder.stdout.readline()
    async with dispatching(data, queue, events):
        await until(lambda: any(event.stage is JobStage.WAITING for event in events))
        assert all(job.attempts == 0 for job in queue.jobs())
        holder.stdin.close()
        await until(lambda: "main" in shown(data))
    await holder.wait()


async def test_leaving_stops_the_job_and_keeps_it_waiting(data: Path, queue: Queue, clone: Clone) -> None:
    clone.commit({f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(300)})
    clone.git("push", "--quiet", "origin", "main")
    events: list[JobEvent] = []
    async with dispatching(data, queue, events):
        await until(lambda: any(event.progress and event.progress.stage == "blobs" for event in events))
    assert {job.state for job in queue.jobs()} == {JobState.WAITING}
    with writer_lock(data):
        pass  # The worker is gone.


async def test_a_removed_repository_is_found_no_more(data: Path, queue: Queue, clone: Clone) -> None:
    async with dispatching(data, queue):
        await until(lambda: found_quietly(data, "first_function") == ["a.py"])
        queue.remove("shop")
        await until(lambda: not queue.jobs())
    with Index.open(data) as index:
        assert index.repositories() == []
        assert index.search("first_function", Scope(), 3) == []
        index.check()


def found_quietly(data: Path, query: str) -> list[str]:
    return found(data, query) if shown(data) else []


def test_removing_one_repository_keeps_what_another_shares_with_it(data: Path, make_repository: MakeRepository) -> None:
    files = {"shared.py": "def shared_function():\n    return 1\n"}
    for name in ("one", "two"):
        run_job(IndexJob(str(make_repository(files, name).path)), data, IndexConfig(), lambda _progress: None)
    run_job(IndexJob("one", remove=True), data, IndexConfig(), lambda _progress: None)
    with Index.open(data) as index:
        assert [hit.repository for hit in index.search("shared_function", Scope(), 5)] == ["two"]
        index.check()


async def test_a_repository_without_a_commit_is_no_failure(
    data: Path, queue: Queue, make_repository: MakeRepository
) -> None:
    queue.register(Repository("empty", str(make_repository().path)))
    async with dispatching(data, queue):
        await until(lambda: not queue.jobs())


def test_kills_at_random_instants_lose_no_push(data: Path, queue: Queue, clone: Clone) -> None:
    generator = random.Random(9)
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from indexer.config import IndexConfig, RepositoriesConfig; from indexer.queue import Queue\n"
        "from indexer.worker.dispatch import Dispatcher\n"
        "async def main():\n"
        "    data = Path(sys.argv[1])\n"
        "    with Queue(data) as queue:\n"
        "        async with Dispatcher(data, IndexConfig(), RepositoriesConfig(), queue):\n"
        "            print('up', flush=True)\n"
        "            await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", code, str(data)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    head = ""
    for number in range(8):
        process = start()
        head = clone.commit({f"n{number}.py": f"def kept_{number}():\n    return {number}\n"})
        clone.git("push", "--quiet", "origin", "main")
        time.sleep(generator.random() * 1.5)
        process.kill()
        process.communicate()
    process = start()
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while shown(data) != {"main": head} or queue.jobs():
            assert time.monotonic() < deadline, (shown(data), queue.jobs())
            time.sleep(0.1)
    finally:
        process.kill()
        process.communicate()
    assert all(found(data, f"kept_{number}") for number in range(8))
