"""Keeps the repositories of the workspace indexed: at the start, after commits and branch switches, and on command.

Each run is a process of its own, one after the other. A failure is shown once and stops nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from indexer.errors import IndexBusy, IndexerError
from indexer.types import IndexJob, IndexReport, Progress
from server.lsp.git_head import Head, WorkTree, find_work_tree, read_head
from server.lsp.local_workspace import LocalWorkspace
from server.lsp.session import HearthLanguageServer
from server.lsp.status import Status
from server.lsp.work_done import WorkDone

log = logging.getLogger(__name__)

REINDEX_COMMAND = "hearth.reindex"
POLL_SECONDS = 2.0
_REPORT_SECONDS = 0.1


class Indexing:
    """Looks at the repositories every few seconds and brings those up to date whose HEAD moved."""

    def __init__(self, server: HearthLanguageServer, status: Status, workspace: LocalWorkspace) -> None:
        self._server = server
        self._status = status
        self._workspace = workspace
        self._wake = asyncio.Event()
        self._indexed: dict[Path, Head] = {}
        self._one_at_a_time = asyncio.Lock()
        self._shown: set[str] = set()
        self._numbers = itertools.count(1)
        server.protocol.add_command(REINDEX_COMMAND, self.reindex)

    def start(self) -> None:
        """Begin to watch, unless indexing is left to others."""
        self._server.run_task(self._watch(), "indexing")

    def look_soon(self) -> None:
        """Look at the repositories now and not at the next poll."""
        self._wake.set()

    def folders_changed(self) -> None:
        """Look at the folders again."""
        self._wake.set()

    async def reindex(self, _arguments: list[Any], _token: Any) -> None:
        """Bring every repository of the workspace up to date, whether its HEAD moved or not."""
        for tree in await self._work_trees():
            head = await self._server.in_thread(read_head, tree)
            if head is not None:
                await self._index(tree, head)

    async def _watch(self) -> None:
        services = self._server.services
        if services is None:
            return
        while True:
            if services.auto_index:
                for tree in await self._work_trees():
                    head = await self._server.in_thread(read_head, tree)
                    if head is not None and self._indexed.get(tree.root) != head:
                        await self._index(tree, head)
            # A hook or another window may have published something, too.
            await self._refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    async def _work_trees(self) -> list[WorkTree]:
        folders = list(self._workspace.folders.values())
        found = await self._server.in_thread(lambda: [find_work_tree(folder) for folder in folders])
        return list({tree.root: tree for tree in found if tree is not None}.values())

    async def _index(self, tree: WorkTree, head: Head) -> None:
        async with self._one_at_a_time:
            await self._run_job(tree, head)

    async def _run_job(self, tree: WorkTree, head: Head) -> None:
        services = self._server.services
        if services is None or services.run_index_job is None:
            return
        display = _ProgressDisplay(self._server, f"hearth-index-{next(self._numbers)}", tree.root.name)
        self._status.indexing += 1
        self._status.changed()
        try:
            # HEAD by its name: a commit that was only passed by, detached, is forgotten again.
            events = services.run_index_job(IndexJob(source=str(tree.root), refs=("HEAD",)))
            async with aclosing(events):  # type: ignore[type-var]  # An async generator, typed by what it yields.
                async for event in events:
                    if isinstance(event, Progress):
                        await display.show(event)
                    elif isinstance(event, IndexReport):
                        log.info("indexed %s at %s in %.1f s", event.repository, event.commit[:12], event.seconds)
            self._indexed[tree.root] = head
            self._status.failed = False
        except IndexBusy as error:
            # Another window indexes into the same directory: come back at the next poll.
            log.info("indexing waits: %s", error)
        except IndexerError as error:
            self._indexed[tree.root] = head
            self._status.failed = True
            self._show_once(f"{tree.root.name} could not be indexed: {error}")
        except Exception:
            # A mistake of ours in one run must not end the watch over all repositories.
            log.exception("indexing %s failed", tree.root.name)
            self._indexed[tree.root] = head
            self._status.failed = True
        finally:
            self._status.indexing -= 1
            display.end()
        await self._refresh()
        self._workspace.forget_addresses()
        self._status.changed()

    async def _refresh(self) -> None:
        services = self._server.services
        if services is None or services.index is None:
            return
        try:
            if await self._server.in_thread(services.index.refresh):
                self._workspace.forget_addresses()
                self._status.changed()
        except IndexerError as error:
            self._show_once(str(error))

    def _show_once(self, message: str) -> None:
        log.warning("%s", message)
        if message not in self._shown:
            self._shown.add(message)
            self._server.show(message)


class _ProgressDisplay:
    """The editor's progress bar of one run; it appears only when there is something to do."""

    def __init__(self, server: HearthLanguageServer, token: str, name: str) -> None:
        self._bar = WorkDone(server, token, f"Hearth: indexing {name}")
        self._last = 0.0

    async def show(self, event: Progress) -> None:
        bar = self._bar
        if not bar.supported or (not bar.is_open and (event.stage != "blobs" or event.total == 0)):
            return
        if not bar.is_open:
            await bar.begin(percentage=0)
        now = time.monotonic()
        if now - self._last >= _REPORT_SECONDS or event.done == event.total:
            self._last = now
            share = min(100, 100 * event.done // event.total) if event.total else None
            count = f" {event.done}/{event.total}" if event.total else ""
            bar.report(f"{event.stage}{count}", share)

    def end(self) -> None:
        self._bar.end()
