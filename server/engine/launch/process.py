"""One model server as a process: started behind its guard, asked whether it is well, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from server.config import LauncherConfig
from server.engine.launch.environment import inherited
from server.engine.launch.guarded import Guarded, GuardFailed, guarded
from server.engine.launch.plan import Instance
from server.engine.vllm.client import ModelServerClient
from server.errors import EngineError, EngineUnavailable

_TAIL_BYTES = 200_000
_CAUSE = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception): .+|error: .+|.*No module named .+)$")
_EXPLAINED = re.compile(r"validation error for \w+$")
"""Ends a line whose reason stands in the next ones."""
_REASON = re.compile(r"^\s*(?:Value|Assertion) error, (.+)$")
_REASON_LINES = 3
_MAX_CAUSE = 300


@dataclass(slots=True)
class ServerProcess:
    """A running server. ``log_start`` is where its part of the log begins, in bytes."""

    instance: Instance
    process: Guarded
    log_start: int
    client: ModelServerClient

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def healthy(self, seconds: float) -> bool:
        """Ask ``/health``; no answer in time is a no."""
        try:
            status, _ = await self.client.get_json("/health", timeout_seconds=seconds)
        except EngineError:
            return False
        return status == HTTPStatus.OK

    async def ended(self) -> int:
        """Wait until the server is gone and return its exit status (128 + N after signal N)."""
        return await self.process.ended()

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
    try:
        async with guarded(
            instance.command,
            {**inherited(os.environ), **instance.environment},
            log=instance.log,
            log_bytes=launcher.log_bytes,
            log_files=launcher.log_files,
            grace_seconds=launcher.stop_seconds,
        ) as process:
            client = ModelServerClient(
                "" if instance.uds else instance.address, uds=str(instance.uds) if instance.uds else "", connections=4
            )
            try:
                yield ServerProcess(instance, process, log_start, client)
            finally:
                await client.close()
    except GuardFailed as error:
        raise EngineUnavailable(
            f"The server for {instance.role.value} cannot be started: {error}",
            advice="See `python` in [engine.launcher] of hearth.toml.",
        ) from error
    finally:
        if instance.uds is not None:
            await asyncio.to_thread(instance.uds.unlink, missing_ok=True)


def make_private_directory(directory: Path) -> None:
    """Make a directory that only we may enter, or check that it is one.

    Raises:
        EngineUnavailable: It belongs to somebody else, or cannot be made.
    """
    try:
        _make(directory)
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
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if found := _CAUSE.search(line):
            cause = found.group(1).strip()
            if _EXPLAINED.search(cause):
                reasons = map(_REASON.search, lines[number + 1 : number + 1 + _REASON_LINES])
                cause = next((reason.group(1).strip() for reason in reasons if reason), cause)
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
    _make(instance.log.parent)


def _make(directory: Path) -> None:
    """Make a directory in the data directory, which may be new as well and is for its owner alone, too."""
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.mkdir(exist_ok=True, mode=0o700)


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
