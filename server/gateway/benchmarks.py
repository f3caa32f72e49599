"""What administrators do with benchmark runs, by page and by API alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from indexer.api import Index
from indexer.errors import UnknownRepository
from server.config import HearthConfig
from server.errors import RequestRefused
from server.gateway.audit import Audit
from server.runs.compare import Change, compare
from server.runs.kept import KeptRuns, Run
from server.runs.request import RunRequest
from server.runs.runner import Runner, RunStatus

_T = TypeVar("_T")


class Benchmarks:
    """Benchmark runs, for those who may see and start them.

    Args:
        config: All settings.
        index: Knows where repositories are; None when it cannot be opened.
        audit: Where is written down who started and removed what.
        threads: Where blocking work runs.
    """

    def __init__(self, config: HearthConfig, index: Index | None, audit: Audit, threads: Executor) -> None:
        self._index = index
        self._audit = audit
        self._threads = threads
        self._kept = KeptRuns(config.data.directory)
        self.runner = Runner(config.data.directory, config, self._kept, self._note_end)

    async def runs(self) -> list[Run]:
        """Return all that are kept, the newest first."""
        return await self._in_thread(self._kept.runs)

    async def run(self, run_id: str) -> dict[str, Any]:
        """Return the whole result of one. Raises UnknownRun, RunUnreadable."""
        return await self._in_thread(partial(self._kept.read, run_id))

    async def changes(self, old: str, new: str) -> list[Change]:
        """Return what changed from one run to another. Raises UnknownRun, RunUnreadable."""

        def work() -> list[Change]:
            return compare(self._kept.read(old), self._kept.read(new))

        return await self._in_thread(work)

    async def status(self) -> tuple[RunStatus | None, str]:
        """Return the run that runs, or else the last one since the server began, and the end of what it printed."""
        status = await self._in_thread(self.runner.status)
        return status, await self._in_thread(self.runner.log) if status is not None else ""

    def repositories(self, readable: frozenset[str] | None) -> dict[str, Path]:
        """Return the git directories of the indexed repositories that may be read, by name."""
        refs = self._index.snapshot().refs if self._index is not None else ()
        return {ref.repository: Path(ref.git_dir) for ref in refs if readable is None or ref.repository in readable}

    def reads_all(self, readable: frozenset[str] | None) -> bool:
        """Say whether whoever may read ``readable`` may read all that is indexed."""
        return self.repositories(None).keys() == self.repositories(readable).keys()

    def start(self, by: str, readable: frozenset[str] | None, repository: str, **choices: Any) -> RunStatus:
        """Begin a run on a repository that may be read; ``choices`` are those of :class:`RunRequest`.

        Raises:
            UnknownRepository: There is none of that name that may be read.
            RunRefused: A choice is not usable.
            RequestRefused: A run runs already, there is no model server to ask, or not all of the index may be read.
        """
        git_dir = self.repositories(readable).get(repository)
        if git_dir is None:
            raise UnknownRepository(repository)
        request = RunRequest(repository, git_dir, **choices)
        if request.whole_index and not self.reads_all(readable):
            raise RequestRefused(
                "The whole index holds repositories that you may not read.", advice="Measure with the repository alone."
            )
        begun = self.runner.start(request, by)
        self._audit.note(
            "benchmark-started", user=by, subject=repository, engine=request.engine.value, label=request.label
        )
        return begun

    def cancel(self, by: str) -> None:
        """End the run that runs. Raises RequestRefused when none does."""
        if not self.runner.cancel():
            raise RequestRefused("No benchmark runs.")
        self._audit.note("benchmark-cancelled", user=by)

    async def remove(self, by: str, run_id: str) -> None:
        """Delete a run. Raises UnknownRun."""
        await self._in_thread(partial(self._kept.remove, run_id))
        self._audit.note("benchmark-removed", user=by, subject=run_id)

    def _note_end(self, status: RunStatus) -> None:
        self._audit.note(
            "benchmark-ended", user=status.by, subject=status.request.repository, outcome=status.state.value,
            run=status.progress.kept,
        )  # fmt: skip

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
