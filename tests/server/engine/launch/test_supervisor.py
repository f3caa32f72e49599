"""Servers that fail, end, hang and do not want to end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import pytest

from server.config import LauncherConfig, Role
from server.engine.launch.plan import Flag, Instance, Plan
from server.engine.launch.process import first_error
from server.engine.launch.supervisor import ServerStatus, State, Supervisor, find_running
from server.errors import EngineUnavailable

FAKE = Path(__file__).with_name("fake_server.py")
QUICK = LauncherConfig(
    probe_seconds=0.05, probe_failures=2, restart_seconds=0.05, restart_max_seconds=0.4, stop_seconds=5.0
)
_PATIENCE = 60.0

Statuses = Mapping[Role, ServerStatus]


@pytest.fixture
def control(tmp_path: Path) -> Path:
    """The switches of the server."""
    directory = tmp_path / "control"
    directory.mkdir()
    return directory


def make_plan(tmp_path: Path, *arguments: str) -> Plan:
    directory = tmp_path / "engine"
    uds = directory / "completion.sock"
    flags = (Flag(("--uds", str(uds)), ""), Flag(("--control", str(tmp_path / "control"), *arguments), ""))
    instance = Instance(
        role=Role.COMPLETION,
        also_explains=True,
        model="m",
        name="m",
        program=(sys.executable, str(FAKE)),
        flags=flags,
        environment={"MARK": "1"},
        uds=uds,
        port=0,
        gpus=(),
        share=None,
        log=tmp_path / "logs" / "vllm-completion.log",
    )
    return Plan(directory, "cpu", (), sys.executable, "0", 0.0, (instance,))


def state_is(state: State, *, starts: int = 1) -> Callable[[Statuses], bool]:
    return lambda statuses: statuses[Role.COMPLETION].state is state and statuses[Role.COMPLETION].starts >= starts


async def until(supervisor: Supervisor, condition: Callable[[Statuses], bool]) -> ServerStatus:
    async with asyncio.timeout(_PATIENCE):
        await supervisor.wait_until(condition)
    return supervisor.statuses[Role.COMPLETION]


def pids(control: Path) -> list[int]:
    return [int(line) for line in (control / "pids").read_text().split()]


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while any(alive(pid) for pid in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_a_server_becomes_ready_and_ends_with_everything_it_started(tmp_path: Path, control: Path) -> None:
    async with Supervisor(make_plan(tmp_path), QUICK) as supervisor:
        status = await until(supervisor, state_is(State.READY))
        assert status.pid == pids(control)[0]
        uds = tmp_path / "engine" / "completion.sock"
        assert uds.stat().st_mode & 0o077 == 0
        assert uds.parent.stat().st_mode & 0o777 == 0o700
        assert "MARK" in (control / "environment").read_text().split()
        running = await asyncio.to_thread(find_running, tmp_path / "engine")
        assert running is not None
        assert running.pid == os.getpid()
    assert not any(alive(pid) for pid in pids(control))
    assert not uds.exists()
    assert find_running(tmp_path / "engine") is None


async def test_a_new_data_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    async with Supervisor(make_plan(data), QUICK) as supervisor:
        await until(supervisor, state_is(State.WAITING))
    assert {path.name: path.stat().st_mode & 0o777 for path in (data, data / "logs")} == {"data": 0o700, "logs": 0o700}


async def test_a_server_that_cannot_start_is_tried_again_ever_more_slowly(tmp_path: Path, control: Path) -> None:
    (control / "fail").touch()
    details: list[str] = []
    plan = make_plan(tmp_path)
    async with Supervisor(plan, QUICK, on_change=lambda status: details.append(status.detail)) as supervisor:
        await until(supervisor, state_is(State.WAITING, starts=4))
        (control / "fail").unlink()
        await until(supervisor, state_is(State.READY))
    said = [detail for detail in details if detail]
    assert said[0] == "it ended with status 3: ValueError: no such model; it is started again in 0.05 s"
    assert [detail.rsplit(" ", 2)[1] for detail in said[:4]] == ["0.05", "0.1", "0.2", "0.4"]


async def test_a_server_that_is_killed_comes_back(tmp_path: Path, control: Path) -> None:
    (control / "complains").touch()
    details: list[str] = []
    plan = make_plan(tmp_path)
    # Its end is to be what is noticed, however long that takes here, and not that it answers no more.
    unasked = attrs.evolve(QUICK, probe_failures=100)
    async with Supervisor(plan, unasked, on_change=lambda status: details.append(status.detail)) as supervisor:
        first = await until(supervisor, state_is(State.READY))
        os.kill(first.pid, signal.SIGKILL)
        second = await until(supervisor, state_is(State.READY, starts=2))
        assert second.pid != first.pid
        assert not any(alive(pid) for pid in pids(control)[:2])
    # What it complained of while it was well is not why.
    assert "ValueError: a request" in plan.instances[0].log.read_text()
    (said,) = filter(None, details)
    assert said.startswith("it was ended from outside, by signal 9, perhaps for want of memory; it is started again")


async def test_a_server_that_hangs_is_started_again(tmp_path: Path, control: Path) -> None:
    async with Supervisor(make_plan(tmp_path), QUICK) as supervisor:
        await until(supervisor, state_is(State.READY))
        (control / "hang").touch()
        status = await until(supervisor, state_is(State.WAITING))
        assert "did not answer 2 times in a row" in status.detail
        (control / "hang").unlink()
        await until(supervisor, state_is(State.READY, starts=2))


async def test_a_server_that_is_never_ready_is_started_again(tmp_path: Path, control: Path) -> None:
    (control / "hang").touch()
    # The first question to a server that hangs takes longer than this.
    launcher = attrs.evolve(QUICK, start_seconds=1.0)
    async with Supervisor(make_plan(tmp_path), launcher) as supervisor:
        status = await until(supervisor, state_is(State.WAITING))
        assert "not ready after 1 s" in status.detail


async def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path, control: Path) -> None:
    (control / "deaf").touch()
    async with Supervisor(make_plan(tmp_path), attrs.evolve(QUICK, stop_seconds=0.3)) as supervisor:
        await until(supervisor, state_is(State.READY))
    assert not any(alive(pid) for pid in pids(control))


async def test_killing_the_supervisor_leaves_no_server(tmp_path: Path, control: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from tests.server.engine.launch.test_supervisor import QUICK, Supervisor, make_plan\n"
        "async def main():\n"
        "    async with Supervisor(make_plan(pathlib.Path(sys.argv[1])), QUICK) as supervisor:\n"
        "        await supervisor.wait_until_ready()\n"
        "        print('ready', flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, str(tmp_path)), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[4]
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.kill()
    await process.wait()
    await asyncio.to_thread(wait_until_gone, pids(control))
    # The next one takes its place, whatever it left.
    async with Supervisor(make_plan(tmp_path), QUICK) as supervisor:
        await until(supervisor, state_is(State.READY))


async def test_killing_the_guard_leaves_no_server(tmp_path: Path, control: Path) -> None:
    async with Supervisor(make_plan(tmp_path), QUICK) as supervisor:
        status = await until(supervisor, state_is(State.READY))
        os.kill(parent_of(status.pid), signal.SIGKILL)
        await until(supervisor, state_is(State.READY, starts=2))
        await asyncio.to_thread(wait_until_gone, pids(control)[:2])


async def test_one_supervisor_at_a_time(tmp_path: Path, control: Path) -> None:
    async with Supervisor(make_plan(tmp_path), QUICK) as supervisor:
        await until(supervisor, state_is(State.READY))
        with pytest.raises(EngineUnavailable, match=f"Process {os.getpid()} runs the model servers"):
            async with Supervisor(make_plan(tmp_path), QUICK):
                pass
        assert supervisor.statuses[Role.COMPLETION].state is State.READY


async def test_a_socket_in_use_is_not_taken_and_a_stale_one_is(tmp_path: Path, control: Path) -> None:
    uds = tmp_path / "engine" / "completion.sock"
    uds.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(uds))
        listener.listen()
        async with Supervisor(make_plan(tmp_path), QUICK) as supervisor:
            status = await until(supervisor, state_is(State.WAITING))
            assert "Another program listens" in status.detail
            listener.close()
            await until(supervisor, state_is(State.READY))


def test_the_reason_of_an_error_is_looked_for_in_the_next_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "INFO starting\npydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, Invalid directory specified: '/models/a'.\nPlease verify the following\n"
    )
    assert first_error(log, 0) == "Invalid directory specified: '/models/a'."


async def test_the_log_is_kept_within_bounds(tmp_path: Path, control: Path) -> None:
    launcher = attrs.evolve(QUICK, log_bytes=10_000, log_files=3)
    async with Supervisor(make_plan(tmp_path, "--chatter", "2000"), launcher) as supervisor:
        await until(supervisor, state_is(State.READY))
    logs = sorted((tmp_path / "logs").iterdir())
    assert [path.name for path in logs] == [f"vllm-completion.log{end}" for end in ("", ".1", ".2")]
    assert all(path.stat().st_size <= 10_000 and path.stat().st_mode & 0o077 == 0 for path in logs)
    assert "line 1999" in logs[0].read_text()
