"""One model server as a process: started behind its guard, asked whether it is well, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from server.config import LauncherConfig
from server.engine.launch.environment import inherited
from server.engine.launch.plan import Instance
from server.engine.vllm.client import ModelServerClient
from server.errors import EngineError, EngineUnavailable

_GUARD = Path(__file__).with_name("guard.py")
_GUARD_SECONDS = 20.0
_KILL_SECONDS = 8.0
"""How long a guard takes to end what is left after the grace period, at most."""
_TAIL_BYTES = 200_000
_CAUSE = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception): .+|error: .+|.*No module named .+)$")
_MAX_CAUSE = 300


@dataclass(slots=True)
class ServerProcess:
    """A running server. ``log_start`` is where its part of the log begins, in bytes."""

    instance: Instance
    guard: asyncio.subprocess.Process
    pid: int
    log_start: int
    client: ModelServerClient

    async def healthy(self, seconds: float) -> bool:
        """Ask ``/health``; no answer in time is a no."""
        try:
            status, _ = await self.client.get_json("/health", timeout_seconds=seconds)
        except EngineError:
            return False
        return status == HTTPStatus.OK

    async def ended(self) -> int:
        """Wait until the server is gone and return its exit status (128 + N after signal N)."""
        return await self.guard.wait()

    def cause(self) -> str:
        """Return the first error in the log since the start, one line; empty when there is none. Reads a file."""
        return first_error(self.instance.log, self.log_start)


@asynccontextmanager
async def running_server(instance: Instance, launcher: LauncherConfig) -> AsyncIterator[ServerProcess]:
    """Run a server for the length of a context; leaving it ends the server and everything it started.

    Raises:
        EngineUnavailable: It cannot be started, or its address is in use.
    """
    await asyncio.to_thread(_prepare, instance)
    log_start = await asyncio.to_thread(_size, instance.log)
    guard = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_GUARD),
        *("--log", str(instance.log), "--log-bytes", str(launcher.log_bytes)),
        *("--log-files", str(launcher.log_files), "--grace", str(launcher.stop_seconds)),
        "--",
        *instance.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd="/",
        env={**inherited(os.environ), **instance.environment},
        # An interrupt at the terminal is for Hearth, which then ends its servers one by one.
        start_new_session=True,
    )
    pid = 0
    client = ModelServerClient(
        "" if instance.uds else instance.address, uds=str(instance.uds) if instance.uds else "", connections=4
    )
    try:
        pid = await _pid(guard, instance)
        yield ServerProcess(instance, guard, pid, log_start, client)
    finally:
        await client.close()
        await _stop(guard, pid, launcher.stop_seconds)
        if instance.uds is not None:
            await asyncio.to_thread(instance.uds.unlink, missing_ok=True)


def make_private_directory(directory: Path) -> None:
    """Make a directory that only we may enter, or check that it is one.

    Raises:
        EngineUnavailable: It belongs to somebody else, or cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise EngineUnavailable(
                f"{directory} is not a directory of yours, so no socket is put there", advice="Remove it."
            )
        if found.st_mode & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise EngineUnavailable(
            f"{directory} cannot be used: {error.strerror}", advice="Make it writable, or pass another --data."
        ) from error


def first_error(log: Path, start: int) -> str:
    """Return the first line of a log that names an error, from a byte on (or from the start of a rotated file)."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = start if start <= size else 0
            file.seek(max(begin, size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        if found := _CAUSE.search(line):
            cause = found.group(1).strip()
            return cause if len(cause) <= _MAX_CAUSE else f"{cause[: _MAX_CAUSE - 1]}…"
    return ""


def _prepare(instance: Instance) -> None:
    """Make the directories, and take away a socket that nobody listens on any more."""
    if instance.uds is None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", instance.port))
            except OSError as error:
                raise _in_use(instance) from error
    else:
        make_private_directory(instance.uds.parent)
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                probe.connect(str(instance.uds))
                raise _in_use(instance)
        instance.uds.unlink(missing_ok=True)
    instance.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)


def _in_use(instance: Instance) -> EngineUnavailable:
    return EngineUnavailable(
        f"Another program listens at {instance.address}",
        advice="Stop it, or let Hearth connect to it: `url` or `uds` in [engine.vllm] with `launch = false`.",
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


async def _pid(guard: asyncio.subprocess.Process, instance: Instance) -> int:
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
        raise EngineUnavailable(
            f"The server for {instance.role.value} cannot be started: {answer['error']}",
            advice="See `python` in [engine.launcher] of hearth.toml.",
        )
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
        # A guard that was killed has not ended what the server had started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
