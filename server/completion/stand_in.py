"""What the embedded engine is sure of, shown until a model's first token comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from indexer.errors import IndexerError
from server.completion.postprocess import Cursor, Draft, limit
from server.completion.records import Making
from server.types import Completion, CompletionRequest, Rung

log = logging.getLogger(__name__)

Propose = Callable[[CompletionRequest, float], Completion | None]
"""``(request, least)`` → a suggestion of at least that confidence, if there is any. Blocks for some milliseconds."""

AFTER_SECONDS = 0.008
"""How long after the model was asked the search for a stand-in begins: the request has left by then."""
QUICK_SECONDS = 0.04
"""A model whose first token usually is there so soon needs none."""


class StandIn:
    """The stand-in of one run. It searches in a thread, while the model computes and nothing else is to be done.

    Args:
        propose: Finds it.
        least: Least confidence of one that is shown.
    """

    def __init__(self, propose: Propose, least: float) -> None:
        self.text = Draft("")
        """What it says; empty as long as there is nothing."""
        self.making = Making(engine=Rung.EMBEDDED)
        self._propose = propose
        self._least = least
        self._work: asyncio.Task[None] | None = None

    def start(self, request: CompletionRequest, cursor: Cursor, found: Callable[[], None]) -> None:
        """The model was asked: look for a stand-in, and call ``found`` if there is one before :meth:`stop`."""
        self._work = asyncio.create_task(self._find(request, cursor, found), name="stand-in")

    def stop(self) -> None:
        """The model has begun, or nobody waits any more: what was not found yet is not wanted. Idempotent."""
        if self._work is not None:
            self._work.cancel()
            self._work = None

    async def _find(self, request: CompletionRequest, cursor: Cursor, found: Callable[[], None]) -> None:
        await asyncio.sleep(AFTER_SECONDS)
        try:
            proposed = await asyncio.to_thread(self._propose, request, self._least)
        except IndexerError as error:
            log.warning("no stand-in: %s", error.message)
            return
        except Exception:
            # The model's answer is on its way; no mistake in what is shown until then may cost it.
            log.exception("looking for a stand-in failed")
            return
        if proposed is not None and proposed.confidence >= self._least:
            self.making.confidence, self.making.source = proposed.confidence, proposed.source
            self.text = limit(proposed.text, cursor, final=True)
            found()
