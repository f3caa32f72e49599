"""Any program behind a guard: started with a log of its own, and ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_GUARD = Path(__file__).with_name("guard.py")
_GUARD_SECONDS = 20.0
_KILL_SECONDS = 8.0
"""How long a guard takes to end what is left after the grace period, at most."""


class GuardFailed(Exception):
    """The program was not started; says why."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """A running program."""

    guard: asyncio.subprocess.Process
    pid: int

    async def ended(self) -> int:
        """Wait until it is gone and return its exit status (128 + N after signal N)."""
        return await self.guard.wait()


@asynccontextmanager
async def guarded(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    log: Path,
    log_bytes: int,
    log_files: int,
    grace_seconds: float,
) -> AsyncIterator[Guarded]:
    """Run a program for the length of a context; leaving it ends the program and everything it started.

    So does the end of this process, however it comes about.

    Args:
        command: The program and its arguments.
        environment: All of its environment.
        log: What it prints goes there, for this user alone; the directory exists.
        log_bytes: Size at which a new log is begun.
        log_files: How many are kept.
        grace_seconds: How long it may take to end by itself before it is killed.

    Raises:
        GuardFailed: It cannot be started.
    """
    guard = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_GUARD),
        *("--log", str(log), "--log-bytes", str(log_bytes)),
        *("--log-files", str(log_files), "--grace", str(grace_seconds)),
        "--",
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd="/",
        env=dict(environment),
        # An interrupt at the terminal is for Hearth, which then ends what it started one by one.
        start_new_session=True,
    )
    pid = 0
    try:
        pid = await _pid(guard)
        yield Guarded(guard, pid)
    finally:
        await _stop(guard, pid, grace_seconds)


async def _pid(guard: asyncio.subprocess.Process) -> int:
    line = b""
    if guard.stdout is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GUARD_SECONDS):
                line = await guard.stdout.readline()
    try:
        answer = json.loads(line)
    except ValueError:
        answer = {"error": "its guard did not start"}
    if "pid" not in answer:
        raise GuardFailed(answer["error"])
    return int(answer["pid"])


async def _stop(guard: asyncio.subprocess.Process, pid: int, grace: float) -> None:
    if guard.stdin is not None:
        guard.stdin.close()
    try:
        async with asyncio.timeout(grace + _KILL_SECONDS):
            await guard.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            guard.kill()
        await guard.wait()
    if pid and (guard.returncode or 0) < 0:
        # A guard that was killed has not ended what the program had started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
