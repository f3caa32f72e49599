"""Keeps the servers of a plan up: ready or not, well or not, and back again after a pause when one ends."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import fcntl
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from server.config import LauncherConfig, Role
from server.engine.launch.plan import Instance, Plan
from server.engine.launch.process import ServerProcess, make_private_directory, running_server
from server.errors import EngineUnavailable

_log = logging.getLogger(__name__)

_LOCK = "engine.lock"
_STATE = "engine.json"
_ENDING_SECONDS = 1.0
_POLL_SECONDS = 0.25
_HEALTH_SECONDS = 5.0
_LOCK_TRIES = 5
_SHELL_SIGNALS = 128
_KILLED = ", perhaps for want of memory"


class State(enum.StrEnum):
    """Where a server stands."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server as its supervisor sees it.

    Attributes:
        pid: Of the server; 0 while there is none.
        starts: How often it was started.
        since: When it came into this state, in seconds since the epoch.
        detail: A sentence for people; empty when there is nothing to say.
    """

    role: Role
    name: str
    address: str
    log: str
    state: State = State.STOPPED
    pid: int = 0
    starts: int = 0
    since: float = 0.0
    detail: str = ""


class Supervisor:
    """Runs all servers of a plan for the length of a context: ``async with Supervisor(plan, launcher) as running:``.

    Entering returns at once, while the servers start; leaving ends them. One supervisor at a time holds a plan's
    directory.

    Args:
        plan: What to run.
        launcher: How patient to be.
        on_change: Called with the new status whenever a server's state changes.

    Raises:
        EngineUnavailable: On entering, when another process runs the plan, or its directory cannot be used.
    """

    def __init__(
        self, plan: Plan, launcher: LauncherConfig, *, on_change: Callable[[ServerStatus], None] | None = None
    ) -> None:
        self._plan = plan
        self._launcher = launcher
        self._on_change = on_change
        self._lock = -1
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()
        self._writing = asyncio.Lock()
        self._statuses = {
            item.role: ServerStatus(item.role, item.name, item.address, str(item.log)) for item in plan.instances
        }

    @property
    def statuses(self) -> Mapping[Role, ServerStatus]:
        """The servers as they are now."""
        return dict(self._statuses)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(make_private_directory, self._plan.directory)
        self._lock = await asyncio.to_thread(_acquire, self._plan.directory)
        self._tasks = [
            asyncio.create_task(self._keep_up(instance), name=f"model server {instance.role.value}")
            for instance in self._plan.instances
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            # Not gather(): a second cancellation would leave servers that are still ending.
            while pending := [task for task in self._tasks if not task.done()]:
                await asyncio.wait(pending)
        finally:
            (self._plan.directory / _STATE).unlink(missing_ok=True)
            os.close(self._lock)

    async def wait_until(self, condition: Callable[[Mapping[Role, ServerStatus]], bool]) -> None:
        """Wait until the servers are as ``condition`` wants them."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self._statuses))

    async def wait_until_ready(self) -> None:
        """Wait until every server is ready."""
        await self.wait_until(lambda statuses: all(item.state is State.READY for item in statuses.values()))

    async def _keep_up(self, instance: Instance) -> None:
        pause = self._launcher.restart_seconds
        starts = 0
        try:
            while True:
                starts += 1
                await self._set(instance.role, State.STARTING, starts=starts)
                well_for, reason = await self._run(instance)
                # A server that was well for long has earned a quick restart again.
                if well_for >= self._launcher.restart_max_seconds:
                    pause = self._launcher.restart_seconds
                detail = f"{reason}; it is started again in {pause:g} s"
                _log.warning("the model server for %s: %s (log: %s)", instance.role.value, detail, instance.log)
                await self._set(instance.role, State.WAITING, detail=detail)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._launcher.restart_max_seconds)
        finally:
            await self._set(instance.role, State.STOPPED)

    async def _run(self, instance: Instance) -> tuple[float, str]:
        """Run a server until it ends or has to; return how many seconds it was well, and why it is over."""
        ready_at = 0.0
        try:
            async with running_server(instance, self._launcher) as server:
                await self._set(instance.role, State.STARTING, pid=server.pid)
                ended = asyncio.create_task(server.ended())
                try:
                    reason = await self._become_ready(server, ended)
                    if not reason:
                        ready_at = time.monotonic()
                        await self._set(instance.role, State.READY, pid=server.pid)
                        reason = await self._watch(server, ended)
                finally:
                    ended.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await ended
        except EngineUnavailable as error:
            reason = error.message
        return (time.monotonic() - ready_at if ready_at else 0.0), reason

    async def _become_ready(self, server: ServerProcess, ended: asyncio.Task[int]) -> str:
        """Wait until the server is ready; return why it will not be, empty when it is."""
        deadline = time.monotonic() + self._launcher.start_seconds
        while time.monotonic() < deadline:
            if await server.healthy(_HEALTH_SECONDS):
                return ""
            done, _ = await asyncio.wait({ended}, timeout=_POLL_SECONDS)
            if done:
                return await self._why_ended(server, ended)
        return f"it was not ready after {self._launcher.start_seconds:g} s"

    async def _watch(self, server: ServerProcess, ended: asyncio.Task[int]) -> str:
        """Wait until the server ends or no more answers; return which."""
        failures = 0
        patience = max(self._launcher.probe_seconds, 0.5)
        while True:
            done, _ = await asyncio.wait({ended}, timeout=self._launcher.probe_seconds)
            if done:
                return await self._why_ended(server, ended)
            failures = 0 if await server.healthy(patience) else failures + 1
            if failures >= self._launcher.probe_failures:
                # One that is gone stops answering before it is known to have ended.
                done, _ = await asyncio.wait({ended}, timeout=_ENDING_SECONDS)
                if done:
                    return await self._why_ended(server, ended)
                return f"it did not answer {failures} times in a row"

    async def _why_ended(self, server: ServerProcess, ended: asyncio.Task[int]) -> str:
        status = ended.result()
        if number := _signal(status):
            # What it had written of errors before has nothing to do with that.
            return f"it was ended from outside, by signal {number}" + (_KILLED if number == signal.SIGKILL else "")
        cause = await asyncio.to_thread(server.cause)
        return f"it ended with status {status}" + (f": {cause}" if cause else "")

    async def _set(
        self, role: Role, state: State, *, pid: int = 0, starts: int | None = None, detail: str = ""
    ) -> None:
        old = self._statuses[role]
        new = replace(
            old,
            state=state,
            pid=pid,
            detail=detail,
            starts=old.starts if starts is None else starts,
            since=time.time() if state is not old.state else old.since,
        )
        self._statuses[role] = new
        if self._on_change is not None:
            self._on_change(new)
        async with self._writing:
            await asyncio.to_thread(_write_state, self._plan.directory, list(self._statuses.values()))
        async with self._changed:
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Running:
    """What another process runs: its id, and the servers as it last wrote them down."""

    pid: int
    servers: tuple[ServerStatus, ...]


def find_running(directory: Path) -> Running | None:
    """Return what runs in a plan's directory, None when nothing does. Reads files.

    The lock tells, which the system frees whatever happens to its holder: an old process id is never believed.
    """
    try:
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = int(os.pread(descriptor, 32, 0) or b"0")
        return Running(pid, tuple(_read_state(directory)))
    finally:
        os.close(descriptor)
    return None


def _signal(status: int) -> int:
    """Return the number of the signal that ended a server, or the guard beside it; 0 when none did."""
    number = -status if status < 0 else status - _SHELL_SIGNALS
    return number if number in set(signal.Signals) else 0


def _acquire(directory: Path) -> int:
    """Take the lock of a directory. Children do not keep it: descriptors are closed when they start."""
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            # Whoever looks whether the lock is held holds it for an instant.
            time.sleep(_POLL_SECONDS / _LOCK_TRIES)
    else:
        pid = int(os.pread(descriptor, 32, 0) or b"0")
        os.close(descriptor)
        raise EngineUnavailable(
            f"Process {pid} runs the model servers of this data directory already",
            advice="`hearth engine status` shows them, `hearth engine down` ends them.",
        )
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _write_state(directory: Path, statuses: list[ServerStatus]) -> None:
    fields: list[dict[str, Any]] = [{name: getattr(item, name) for name in ServerStatus.__slots__} for item in statuses]
    temporary = directory / f"{_STATE}.tmp"
    try:
        temporary.write_text(json.dumps(fields), "utf-8")
        temporary.replace(directory / _STATE)
    except OSError as error:
        _log.warning("%s cannot be written: %s", directory / _STATE, error.strerror)


def _read_state(directory: Path) -> list[ServerStatus]:
    try:
        fields = json.loads((directory / _STATE).read_text("utf-8"))
        return [ServerStatus(**{**item, "role": Role(item["role"]), "state": State(item["state"])}) for item in fields]
    except (OSError, ValueError, TypeError, KeyError):
        return []
