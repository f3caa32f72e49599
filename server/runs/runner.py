"""Starts runs, one at a time: each a process of its own, nice to the others, that ends in time and with the server."""

from __future__ import annotations

import asyncio
import enum
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from server.config import HearthConfig
from server.config.reference import toml_lines
from server.engine.launch.environment import inherited
from server.engine.launch.guarded import GuardFailed, guarded
from server.engine.launch.process import first_error
from server.errors import RequestRefused
from server.runs.kept import SCRATCH, KeptRuns
from server.runs.progress import Progress, read_progress
from server.runs.request import MeasuredEngine, RunRequest

_log = logging.getLogger(__name__)

_LOG_BYTES = 1_000_000
_LOG_FILES = 2
_TAIL_BYTES = 6000
_GRACE_SECONDS = 10.0
_BEGUN = Progress()


class RunState(enum.StrEnum):
    """What became of a run."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OUT_OF_TIME = "out of time"


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The run that runs, or the last one that did.

    Attributes:
        request: What was asked for.
        by: Who asked.
        started: When, in seconds since the epoch.
        state: What became of it.
        progress: How far it is, or was in the end.
        cause: Why it failed; empty when it did not.
    """

    request: RunRequest
    by: str
    started: float
    state: RunState = RunState.RUNNING
    progress: Progress = _BEGUN
    cause: str = ""


class Runner:
    """Runs benchmarks.

    Args:
        data: The data directory, which keeps them.
        config: All settings: those to measure with, how long a run may take, how many are kept.
        kept: The runs that are kept.
        ended: Told what became of each.
    """

    def __init__(self, data: Path, config: HearthConfig, kept: KeptRuns, ended: Callable[[RunStatus], None]) -> None:
        self._data = data
        self._config = config
        self._kept = kept
        self._ended = ended
        self._log_file = data / "logs" / "benchmark.log"
        self._progress_file: Path | None = None
        self._last: RunStatus | None = None
        self._give_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def can_ask_model(self) -> bool:
        """Whether there is a model server to measure with."""
        return self._config.engine.vllm.configured

    @property
    def minutes(self) -> float:
        """How long a run may take."""
        return self._config.server.benchmarks.minutes

    def status(self) -> RunStatus | None:
        """Return the run that runs, or else the last one; None when there was none yet. Reads a file."""
        last, file = self._last, self._progress_file
        if last is None or last.state is not RunState.RUNNING or file is None:
            return last
        return replace(last, progress=read_progress(file))

    def log(self) -> str:
        """Return the end of what the run printed. Reads a file."""
        try:
            with self._log_file.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def start(self, request: RunRequest, by: str) -> RunStatus:
        """Begin a run. Returns at once.

        Raises:
            RequestRefused: One runs already, or there is no model server to ask.
        """
        if self._task is not None and not self._task.done():
            raise RequestRefused(
                "A benchmark runs already, and two would slow each other.", advice="Wait, or cancel it."
            )
        if request.engine is MeasuredEngine.MODEL and not self.can_ask_model:
            raise RequestRefused(
                "No model server is configured.", advice="Set `url` in [engine.vllm], or measure with fixed latencies."
            )
        self._give_up.clear()
        self._progress_file = None
        self._last = begun = RunStatus(request, by, time.time())
        self._task = asyncio.create_task(self._run(request), name="benchmark run")
        return begun

    def cancel(self) -> bool:
        """End the run; False when none runs."""
        if self._task is None or self._task.done():
            return False
        self._give_up.set()
        return True

    async def close(self) -> None:
        """End the run and wait until nothing of it is left. Idempotent."""
        self.cancel()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self, request: RunRequest) -> None:
        state, cause, progress = RunState.FAILED, "", _BEGUN
        try:
            async with _alone(self._data) as scratch:
                self._progress_file = scratch / "progress.json"
                state = await self._measure(request, scratch)
                progress = await asyncio.to_thread(read_progress, self._progress_file)
            if state is RunState.FAILED:
                cause = await asyncio.to_thread(first_error, self._log_file, 0) or "Its log says why."
            await asyncio.to_thread(self._kept.prune, self._config.server.benchmarks.kept)
        except RequestRefused as error:
            cause = error.message
        except (OSError, GuardFailed) as error:
            state, cause = RunState.FAILED, str(error)
            _log.error("a benchmark cannot be run: %s", error)
        finally:
            if self._last is not None:
                self._last = replace(self._last, state=state, progress=progress, cause=cause)
                self._ended(self._last)

    async def _measure(self, request: RunRequest, scratch: Path) -> RunState:
        config = scratch / "hearth.toml"
        await asyncio.to_thread(self._prepare, config)
        async with guarded(
            request.command(self._data, config, scratch / "progress.json"),
            self._environment(request, scratch),
            log=self._log_file,
            log_bytes=_LOG_BYTES,
            log_files=_LOG_FILES,
            grace_seconds=_GRACE_SECONDS,
        ) as process:
            ended = asyncio.create_task(process.ended())
            given_up = asyncio.create_task(self._give_up.wait())
            try:
                await asyncio.wait({ended, given_up}, timeout=self.minutes * 60, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    return RunState.FAILED if ended.result() else RunState.FINISHED
                return RunState.CANCELLED if given_up.done() else RunState.OUT_OF_TIME
            finally:
                ended.cancel()
                given_up.cancel()

    def _prepare(self, config: Path) -> None:
        config.write_text("\n".join(toml_lines(self._config)) + "\n", encoding="utf-8")
        self._log_file.parent.mkdir(mode=0o700, exist_ok=True)
        self._log_file.unlink(missing_ok=True)

    def _environment(self, request: RunRequest, scratch: Path) -> dict[str, str]:
        """Return what the run may know: no secret but the keys of the servers that it asks."""
        names = [self._config.index.embedder.api_key_env]
        if request.engine is MeasuredEngine.MODEL:
            names.append(self._config.engine.vllm.api_key_env)
        keys = {name: os.environ[name] for name in names if name in os.environ}
        return {**inherited(os.environ), **keys, "TMPDIR": str(scratch)}


@asynccontextmanager
async def _alone(data: Path) -> AsyncIterator[Path]:
    """Make a directory for one run, while no other server runs one on the same data; it is gone afterwards.

    Raises:
        RequestRefused: Another server does.
    """
    lock = await asyncio.to_thread(_lock, data)
    try:
        scratch = await asyncio.to_thread(_make_scratch, data / SCRATCH)
        try:
            yield scratch
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
    finally:
        os.close(lock)


def _lock(data: Path) -> int:
    lock = os.open(data / "benchmark.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise RequestRefused("Another server on this data directory runs a benchmark.") from None
    return lock


def _make_scratch(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    # Of servers that were killed. Files may be results that are being kept.
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=folder))
