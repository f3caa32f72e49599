"""An engine that writes down on whose behalf it was asked, and which repositories it was shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from server.engine.ladder import Ladder, LadderStream
from server.gateway.audit import Audit
from server.types import Caller, CompletionRequest, EngineHealth, ExplainRequest, Rung


class AuditedEngine:
    """A ladder whose requests are written down when they end.

    Completions of the embedded engine are not: nothing leaves the process for them, and there is one at every key.

    Args:
        ladder: Answers.
        audit: Where it is written down.
        model: Returns the name of the model behind the best engine, for answers that came to nothing.
    """

    def __init__(self, ladder: Ladder, audit: Audit, model: Callable[[], str]) -> None:
        self._ladder = ladder
        self._audit = audit
        self._model = model

    @property
    def name(self) -> str:
        """The name of the rung in use."""
        return self._ladder.name

    def complete(self, request: CompletionRequest) -> AbstractAsyncContextManager[LadderStream]:
        """Stream the text to insert, as :meth:`server.engine.ladder.Ladder.complete`."""
        return self._audited(request, self._ladder.complete(request))

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[LadderStream]:
        """Do ahead what comes before asking, as :meth:`server.engine.ladder.Ladder.prepare`."""
        return self._audited(request, await self._ladder.prepare(request))

    @asynccontextmanager
    async def _audited(
        self, request: CompletionRequest, asking: AbstractAsyncContextManager[LadderStream]
    ) -> AsyncIterator[LadderStream]:
        async with asking as stream:
            try:
                yield stream
            finally:
                if stream.rung is Rung.VLLM:
                    shown = (snippet.repository for snippet in request.snippets)
                    self._note("completion", request.caller, request.request_id, {request.repository, *shown}, stream)

    @asynccontextmanager
    async def explain(self, request: ExplainRequest) -> AsyncIterator[LadderStream]:
        """Stream an explanation, as :meth:`server.engine.ladder.Ladder.explain`."""
        async with self._ladder.explain(request) as stream:
            try:
                yield stream
            finally:
                shown = (fact.citation.repository for fact in request.facts if fact.citation is not None)
                self._note("explanation", request.caller, request.request_id, {request.repository, *shown}, stream)

    async def health(self) -> EngineHealth:
        """Ask whether an engine could answer now."""
        return await self._ladder.health()

    async def close(self) -> None:
        """Leave the ladder to whoever made it."""

    def _note(
        self, event: str, caller: Caller, request_id: str, repositories: Iterable[str], stream: LadderStream
    ) -> None:
        self._audit.note(
            event,
            user=caller.user,
            request=request_id,
            engine=stream.rung.value,
            model=stream.model or self._model() if stream.rung is Rung.VLLM else "",
            repositories=sorted(filter(None, repositories)),
            tokens=stream.tokens,
        )
