"""Works off the queue: one job at a time, each in a worker process that stays warm between them.

Killing this process at any instant loses nothing: jobs stand in the queue until they are done, and doing one twice is
harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.config import IndexConfig, RepositoriesConfig
from indexer.errors import IndexBusy, IndexCorrupt, IndexerError
from indexer.queue import Claim, JobKind, Queue, Repository
from indexer.store.damage import note_damage
from indexer.store.lock import dispatcher_lock
from indexer.types import IndexJob, IndexReport, Progress, RemoteAccess
from indexer.worker.catchup import ask_for_outdated, catch_up, collect_spools, indexed_job
from indexer.worker.damage import mend_index
from indexer.worker.events import ANEW, Request
from indexer.worker.process import BACKGROUND_NICENESS, WorkerProcess
from indexer.worker.upgrade import upgrade_index

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_DUE_SECONDS = 1.0
_CHORES_SECONDS = 15.0
_STANDBY_SECONDS = 1.0
_BUSY_SECONDS = 1.0
_WARM_SECONDS = 600.0
_TROUBLE_SECONDS = 5.0
_WRITER_SECONDS = 5.0


class JobStage(enum.StrEnum):
    """What became of a job."""

    STARTED = "started"
    PROGRESS = "progress"
    DONE = "done"
    WAITING = "waiting"
    """Another process writes to the index, or the dispatcher stops; it comes again by itself."""
    RETRY = "retry"
    FAILED = "failed"
    """Tried too often and set aside."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One thing that happened to a job; ``waited`` are the seconds from its request to its start."""

    stage: JobStage
    repository: str
    kind: JobKind
    refs: tuple[str, ...] = ()
    progress: Progress | None = None
    reports: tuple[IndexReport, ...] = ()
    error: str = ""
    waited: float = 0.0


Listener = Callable[[JobEvent], None]


def _ignore(_event: JobEvent) -> None:
    pass


class Dispatcher:
    """Brings registered repositories up to date for as long as its context lasts.

    ::

        async with Dispatcher(data, index, repositories, queue, listener=publish):
            ...

    Only one process works off a data directory; further ones stand by and take over when it ends.

    Args:
        data: The data directory.
        index: How repositories are indexed.
        repositories: The rules for them.
        queue: The open queue of ``data``; it stays open.
        configured: What the configuration registers; None leaves the registry as it is.
        listener: Told on the event loop about every step; must be quick.
    """

    def __init__(
        self,
        data: Path,
        index: IndexConfig,
        repositories: RepositoriesConfig,
        queue: Queue,
        *,
        configured: Sequence[Repository] | None = None,
        listener: Listener = _ignore,
    ) -> None:
        self._data = data
        self._index = index
        self._config = repositories
        self._queue = queue
        self._configured = configured
        self._listener = listener
        self._task: asyncio.Task[None] | None = None
        self._chores_at = 0.0
        self.current: JobEvent | None = None
        """The last event of the job that runs now."""

    async def __aenter__(self) -> Self:
        if self._configured is not None:
            await asyncio.to_thread(self._queue.configure, self._configured)
        self._task = asyncio.create_task(self._serve(), name="dispatcher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def drain(self) -> bool:
        """Work off what is due and return, instead of running as a context; False when another process does it."""
        if self._configured is not None:
            await asyncio.to_thread(self._queue.configure, self._configured)
        with dispatcher_lock(self._data) as held:
            if held:
                await self._start()
                async with WorkerProcess() as worker:
                    while (claim := await asyncio.to_thread(self._queue.claim)) is not None:
                        await self._do(claim, worker)
        return held

    async def _serve(self) -> None:
        """Serve until something is wrong with the queue itself; then begin anew, as long as it takes."""
        while True:
            try:
                with dispatcher_lock(self._data) as held:
                    if held:
                        await self._work()
            except IndexerError as error:
                _log.error("the queue cannot be worked off: %s", error)
                await asyncio.sleep(_TROUBLE_SECONDS)
            except Exception:  # noqa: BLE001 -- a mistake of ours must not leave the queue to nobody
                _log.exception("the queue cannot be worked off")
                await asyncio.sleep(_TROUBLE_SECONDS)
            await asyncio.sleep(_STANDBY_SECONDS)

    async def _work(self) -> None:
        await self._start()
        async with WorkerProcess() as worker:
            await self._loop(worker)

    async def _start(self) -> None:
        """See to what was claimed by a killed dispatcher, and to what was missed while there was none."""
        try:
            await asyncio.to_thread(upgrade_index, self._data)
        except IndexCorrupt as error:
            note_damage(self._data, error.message)
        await self._mend()
        await asyncio.to_thread(self._queue.recover)
        await asyncio.to_thread(ask_for_outdated, self._data, self._queue)
        await asyncio.to_thread(catch_up, self._data, self._queue, self._index.allowed_digest())
        await self._chores()

    async def _loop(self, worker: WorkerProcess) -> None:
        idle_since = time.monotonic()
        while True:
            await self._mend()
            await self._chores()
            # Read first, so that what is written after the look wakes us.
            seen = await asyncio.to_thread(self._queue.changes)
            claim = await asyncio.to_thread(self._queue.claim)
            if claim is not None:
                await self._do(claim, worker)
                idle_since = time.monotonic()
                continue
            if time.monotonic() - idle_since > _WARM_SECONDS:
                await worker.stop()
            await self._wait_for_news(seen)

    async def _wait_for_news(self, seen: tuple[int, int]) -> None:
        """Return when someone has written to the queue, and once a second in any case: time makes jobs due, too."""
        deadline = time.monotonic() + _DUE_SECONDS
        while (  # noqa: ASYNC110 -- other processes write the file, and no event of ours can tell
            time.monotonic() < deadline and await asyncio.to_thread(self._queue.changes) == seen
        ):
            await asyncio.sleep(_LOOK_SECONDS)

    async def _chores(self) -> None:
        if time.monotonic() < self._chores_at:
            return
        self._chores_at = time.monotonic() + _CHORES_SECONDS
        await asyncio.to_thread(collect_spools, self._queue)
        await asyncio.to_thread(self._queue.enqueue_due_polls)

    async def _mend(self) -> None:
        """See to damage that a reader met, unless another writer does."""
        with contextlib.suppress(IndexBusy):
            if await asyncio.to_thread(mend_index, self._data, self._index):
                await self._ask_for_everything()

    async def _ask_for_everything(self) -> None:
        """Have everything indexed again that a damaged index lost."""
        await asyncio.to_thread(ask_for_outdated, self._data, self._queue)
        await asyncio.to_thread(catch_up, self._data, self._queue, self._index.allowed_digest())

    async def _do(self, claim: Claim, worker: WorkerProcess) -> None:
        """Do one job and record what came of it; whatever is wrong with it ends here."""
        waited = max(time.time() - claim.enqueued_at, 0.0)
        self._tell(claim, JobStage.STARTED, waited=waited)
        reports: list[IndexReport] = []
        try:
            await self._run(claim, worker, reports)
        except asyncio.CancelledError:
            await worker.stop()
            await asyncio.shield(asyncio.to_thread(self._queue.release, claim))
            self._tell(claim, JobStage.WAITING)
            raise
        except IndexBusy:
            await asyncio.to_thread(self._queue.release, claim, _BUSY_SECONDS)
            self._tell(claim, JobStage.WAITING)
        except IndexerError as error:
            await self._failed(claim, str(error))
        except Exception as error:  # noqa: BLE001 -- a mistake of ours in one job must not end the work on all others
            _log.exception("the job for %s failed", claim.repository)
            await self._failed(claim, f"{type(error).__name__}: {error}")
        else:
            await asyncio.to_thread(self._queue.finish, claim)
            self._tell(claim, JobStage.DONE, reports=tuple(reports), waited=waited)
        finally:
            self.current = None

    async def _run(self, claim: Claim, worker: WorkerProcess, reports: list[IndexReport]) -> None:
        job = await asyncio.to_thread(self._job, claim)
        if job is None:
            return  # It was removed from the registry meanwhile.
        request = Request(job, self._data, self._index, _WRITER_SECONDS, BACKGROUND_NICENESS)
        stall = self._config.stall_minutes * 60
        async with aclosing(worker.run(request)) as events:
            while True:
                try:
                    async with asyncio.timeout(stall):
                        event = await anext(events)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise IndexerError(
                        f"nothing was heard of the job for {self._config.stall_minutes:g} minutes",
                        advice="It was stopped. Is its source slow, or out of reach?",
                    ) from None
                if isinstance(event, Progress) and event.stage == ANEW:
                    _log.error("%s", event.message)
                    await self._ask_for_everything()
                elif isinstance(event, Progress):
                    self._tell(claim, JobStage.PROGRESS, progress=event)
                else:
                    reports.append(event)

    def _job(self, claim: Claim) -> IndexJob | None:
        if claim.kind is JobKind.REMOVE:
            return IndexJob(claim.repository, remove=True)
        if claim.kind is JobKind.RENEW:
            return indexed_job(self._data, claim.repository)
        repository = self._queue.repository(claim.repository)
        if repository is None:
            return None
        return IndexJob(
            repository.source,
            repository.name,
            claim.refs,
            follow=repository.branches,
            access=RemoteAccess(repository.credential, self._config.internal_hosts),
        )

    async def _failed(self, claim: Claim, error: str) -> None:
        aside = await asyncio.to_thread(self._queue.fail, claim, error, most_attempts=self._config.attempts)
        _log.warning("the job for %s failed%s: %s", claim.repository, " for good" if aside else "", error)
        self._tell(claim, JobStage.FAILED if aside else JobStage.RETRY, error=error)

    def _tell(
        self,
        claim: Claim,
        stage: JobStage,
        *,
        progress: Progress | None = None,
        reports: tuple[IndexReport, ...] = (),
        error: str = "",
        waited: float = 0.0,
    ) -> None:
        event = JobEvent(stage, claim.repository, claim.kind, claim.refs, progress, reports, error, waited)
        self.current = event
        self._listener(event)
