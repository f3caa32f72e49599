"""Chooses what a completion should know besides the file at the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.api import Index
from server.config import ContextConfig
from server.context.values import GatheredContext, RecentEdit
from server.types import CompletionRequest


class ContextGatherer:
    """Gathers snippets for completions; safe to call from several threads.

    Args:
        index: The index to draw on; ``None`` leaves open files and recent edits.
        config: Budgets and the default deadline.
    """

    def __init__(self, index: Index | None, config: ContextConfig | None = None) -> None:
        self._index = index
        self._config = config or ContextConfig()

    def gather(
        self,
        request: CompletionRequest,
        *,
        recent_edits: Sequence[RecentEdit] = (),
        deadline_ms: float | None = None,
        session: str = "",
    ) -> GatheredContext:
        """Choose snippets for the cursor of ``request``, whose own ``snippets`` are ignored.

        Blocks for at most about ``deadline_ms`` (the configured one when None), so call it off the event loop. Never
        returns text of the document at the cursor, nor of what ``request.scope`` excludes.

        Args:
            request: The cursor, the text around it, the other open files and what may be read.
            recent_edits: Newest first.
            deadline_ms: Milliseconds after which what was found so far is returned; ``0`` waits for everything.
            session: Tells users of one server apart, so that one's earlier snippets never steer another's.
        """
        return GatheredContext()

    def forget(self, path: str, *, repository: str = "", session: str = "") -> None:
        """Drop what is remembered of a document that was closed."""

    def close(self) -> None:
        """Stop the gatherer's threads. Idempotent."""
