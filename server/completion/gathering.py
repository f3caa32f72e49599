"""Gathers context beside the event loop, within its deadline."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from server.config import ContextConfig
from server.context import ContextGatherer, GatheredContext, RecentEdit
from server.types import CompletionRequest

log = logging.getLogger(__name__)

_THREADS = 2
_PATIENCE = 1.5


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

    async def gather(
        self, request: CompletionRequest, recent_edits: Sequence[RecentEdit], session: str
    ) -> GatheredContext:
        """Gather context; what is not there in time is left out, and a failure is no context."""
        deadline_ms = self._config.deadline_ms
        future = asyncio.get_running_loop().run_in_executor(
            self._threads,
            # What is logged there belongs to the same request.
            contextvars.copy_context().run,
            lambda: self._gatherer.gather(request, recent_edits=recent_edits, deadline_ms=deadline_ms, session=session),
        )
        try:
            # The gatherer keeps its deadline by itself; the second limit is for a search that hangs.
            return await asyncio.wait_for(future, deadline_ms * _PATIENCE / 1000)
        except TimeoutError:
            return GatheredContext(stages={"late": float(deadline_ms)})
        except Exception:
            # Context only makes completions better: whatever goes wrong with it, they go on without.
            log.exception("gathering context failed")
            return GatheredContext()

    def close(self) -> None:
        """Stop its own threads. Idempotent."""
        if self._owns_threads:
            self._threads.shutdown(wait=False, cancel_futures=True)
