"""Runs jobs in a process of their own, for callers that wait and for event loops."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from indexer.config import IndexConfig
from indexer.errors import IndexerError
from indexer.types import IndexJob
from indexer.worker.events import Event, Request, decode_event, encode_request

BACKGROUND_NICENESS = 10
_STOP_SECONDS = 10.0
_LINE_BYTES = 16_000_000
# -P: the directory that a command runs in may be a repository with a package named like ours.
_COMMAND = (sys.executable, "-P", "-m", "indexer.worker")


def spawn(
    job: IndexJob, data: Path, config: IndexConfig, *, wait_seconds: float = 0.0, niceness: int = 0
) -> Generator[Event]:
    """Index one repository in a worker process and yield what it says; closing the generator stops it.

    Raises:
        IndexerError: What the worker raised, or that it died.
    """
    request = encode_request(Request(job, data, config, wait_seconds, niceness))
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, encoding="utf-8"
        )
        try:
            if process.stdin is None or process.stdout is None:  # pragma: no cover - Popen was asked for pipes
                raise IndexerError("the indexing process has no pipes")
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(request)
                process.stdin.flush()
            for line in process.stdout:
                event = decode_event(line)
                if event is None:
                    return
                if isinstance(event, IndexerError):
                    raise event
                yield event
            raise _died(process.wait(), complaints)
        finally:
            _stop(process)


async def spawn_async(
    job: IndexJob,
    data: Path,
    config: IndexConfig,
    *,
    wait_seconds: float = 0.0,
    niceness: int = BACKGROUND_NICENESS,
) -> AsyncGenerator[Event]:
    """Do the same for an event loop, at low priority; closing the generator or cancelling its task stops the process.

    Raises:
        IndexerError: What the worker raised, or that it died.
    """
    async with (
        WorkerProcess() as worker,
        contextlib.aclosing(worker.run(Request(job, data, config, wait_seconds, niceness))) as events,
    ):
        async for event in events:
            yield event


class WorkerProcess:
    """A worker that stays for further jobs, which spares each of them what starting costs.

    A context manager: leaving it stops the process. One job at a time.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._complaints: IO[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def run(self, request: Request) -> AsyncGenerator[Event]:
        """Do one job and yield what the worker says, starting the process if there is none.

        Leaving the generator before its end stops the process.

        Raises:
            IndexerError: What the worker raised, or that it died.
        """
        process, complaints = await self._started()
        finished = False
        try:
            if process.stdin is None or process.stdout is None:  # pragma: no cover - pipes were asked for
                raise IndexerError("the indexing process has no pipes")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(encode_request(request).encode())
                await process.stdin.drain()
            async for line in process.stdout:
                event = decode_event(line.decode())
                if event is None or isinstance(event, IndexerError):
                    finished = True
                    if event is None:
                        return
                    raise event
                yield event
            raise _died(await process.wait(), complaints)
        finally:
            if not finished:
                await self.stop()

    async def stop(self) -> None:
        """End the process, if there is one; the batch in hand is done again next time. Idempotent."""
        process, complaints = self._process, self._complaints
        self._process = self._complaints = None
        try:
            if process is not None:
                await _stop_async(process)
        finally:
            if complaints is not None:
                complaints.close()

    async def _started(self) -> tuple[asyncio.subprocess.Process, IO[bytes]]:
        if self._process is not None and self._process.returncode is not None:
            await self.stop()
        if self._process is None or self._complaints is None:
            self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by stop()
            self._process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._complaints,
                limit=_LINE_BYTES,
            )
        return self._process, self._complaints


def _stop(process: subprocess.Popen[str]) -> None:
    """End the process; killing it is safe, asking first keeps the batch in hand from being wasted."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def _stop_async(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _died(code: int, complaints: IO[bytes]) -> IndexerError:
    complaints.seek(0)
    lines = complaints.read()[-10_000:].decode("utf-8", "replace").strip().splitlines()
    reason = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    last = f" ({lines[-1]})" if lines else ""
    return IndexerError(
        f"the indexing process {reason}{last}",
        advice="What was published stands. Run the command again: it goes on where it stopped.",
    )
