"""Gathers context beside the event loop, within its deadline."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

from server.config import ContextConfig
from server.context import ContextGatherer, GatheredContext, RecentEdit
from server.types import CompletionRequest

log = logging.getLogger(__name__)

_THREADS = 2
_PATIENCE = 1.5
_LEAST_MS = 1.0
"""What is begun too late is still begun: what a moment yields is there for the next key."""


@dataclass(frozen=True, slots=True)
class _Flight:
    """Something that is being gathered, for ``request``; nobody waits for it after ``until`` (monotonic seconds)."""

    request: CompletionRequest
    future: asyncio.Future[GatheredContext]
    until: float


class Gathering:
    """Calls a gatherer in threads.

    Args:
        gatherer: Finds context.
        config: How long it may take; what comes later is left out.
        threads: Those to use, which stay open; by default its own.
    """

    def __init__(self, gatherer: ContextGatherer, config: ContextConfig, threads: Executor | None = None) -> None:
        self._gatherer = gatherer
        self._config = config
        self._threads = threads or ThreadPoolExecutor(_THREADS, thread_name_prefix="hearth-context")
        self._owns_threads = threads is None
        self._flights: dict[tuple[str, str, str], _Flight] = {}

    async def gather(
        self, request: CompletionRequest, recent_edits: Sequence[RecentEdit], session: str
    ) -> GatheredContext:
        """Gather context; what is not there in time is left out, and a failure is no context.

        What an earlier key of the same document gathered is there at once as long as it serves. Otherwise one thing at
        a time is gathered for a document: a key that comes meanwhile waits for it no longer than the first one.
        """
        flight: _Flight | None = None
        while True:
            standing = self._gatherer.at_once(request, recent_edits=recent_edits, session=session)
            if standing is not None:
                return standing
            if flight is not None and flight.request is request:
                return flight.future.result()
            flight = self._board(request, recent_edits, session)
            try:
                # The gatherer keeps its deadline; this limit is for a search that hangs and a queue that is long.
                remaining = flight.until - time.monotonic()
                await asyncio.wait_for(asyncio.shield(flight.future), max(0.0, remaining))
            except TimeoutError:
                earlier = self._gatherer.last(request, session=session)
                return replace(earlier, stages={"late": float(self._config.deadline_ms)})
            except Exception:
                # Context only makes completions better: whatever goes wrong with it, they go on without.
                log.exception("gathering context failed")
                return GatheredContext()

    def look_ahead(self, request: CompletionRequest, session: str) -> bool:
        """Gather in the background for a document that was just opened, unless there is too much to do; never waits."""
        return self._gatherer.look_ahead(request, session=session)

    def newest(
        self, request: CompletionRequest, recent_edits: Sequence[RecentEdit], session: str, otherwise: GatheredContext
    ) -> GatheredContext:
        """Return what is there by now, for a request that waited for something else; never blocks."""
        found = self._gatherer.at_once(request, recent_edits=recent_edits, session=session)
        return otherwise if found is None else replace(found, stages=otherwise.stages)

    def _board(self, request: CompletionRequest, recent_edits: Sequence[RecentEdit], session: str) -> _Flight:
        """Return what is being gathered for the document, or begin."""
        document = (session, request.repository, request.path)
        known = self._flights.get(document)
        if known is not None:
            return known
        asked = time.monotonic()
        deadline_ms = self._config.deadline_ms

        def work() -> GatheredContext:
            waited_ms = (time.monotonic() - asked) * 1000
            return self._gatherer.gather(
                request,
                recent_edits=recent_edits,
                deadline_ms=max(_LEAST_MS, deadline_ms - waited_ms),
                session=session,
            )

        # What is logged there belongs to the same request.
        future = asyncio.get_running_loop().run_in_executor(self._threads, contextvars.copy_context().run, work)
        flight = _Flight(request, future, asked + deadline_ms * _PATIENCE / 1000)
        self._flights[document] = flight

        def landed(done: asyncio.Future[GatheredContext]) -> None:
            self._flights.pop(document, None)
            if not done.cancelled():
                # Nobody may wait for it any more; those who do see the error too.
                done.exception()

        future.add_done_callback(landed)
        return flight

    def close(self) -> None:
        """Stop its own threads. Idempotent."""
        if self._owns_threads:
            self._threads.shutdown(wait=False, cancel_futures=True)
