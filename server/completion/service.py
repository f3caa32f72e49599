"""Completes at a cursor: context, engine, post-processing, one stream of growing text."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from server.completion import metrics
from server.completion.postprocess import Draft, cursor_of, settle, wants_several_lines
from server.completion.records import Outcome, SuggestionRecord, SuggestionRecords
from server.config import CompletionConfig, ContextConfig
from server.context import ContextGatherer, GatheredContext, RecentEdit
from server.engine.ladder import LadderStream
from server.errors import EngineError
from server.types import CompletionRequest, Delta, Engine, Rung

log = logging.getLogger(__name__)

_GATHER_THREADS = 2
_PATIENCE = 1.5


@dataclass(frozen=True, slots=True)
class SuggestionUpdate:
    """All of a suggestion's text so far.

    Each text begins with the one before it, except for the last one (``final``), which may have lost some of its end,
    or all of it when the suggestion is withdrawn.
    """

    id: str
    text: str
    final: bool
    engine: str
    confidence: float = -1.0


class CompletionService:
    """Streams suggestions. One instance serves many documents and users at the same time.

    Args:
        gatherer: Finds context; it is called in a thread.
        engine: Writes; normally the ladder.
        config: Pause before asking, deadline, extent.
        context_config: How long context may take; what comes later is left out.
    """

    def __init__(
        self,
        gatherer: ContextGatherer,
        engine: Engine,
        config: CompletionConfig | None = None,
        context_config: ContextConfig | None = None,
    ) -> None:
        self._gatherer = gatherer
        self._engine = engine
        self.config = config or CompletionConfig()
        self.context_config = context_config or ContextConfig()
        self._threads = ThreadPoolExecutor(_GATHER_THREADS, thread_name_prefix="hearth-context")
        self.records = SuggestionRecords()
        self.model = ""
        """Name of the model behind the best engine, as far as known; noted with each suggestion."""

    @asynccontextmanager
    async def stream(
        self,
        request: CompletionRequest,
        *,
        recent_edits: Sequence[RecentEdit] = (),
        automatic: bool = False,
        session: str = "",
    ) -> AsyncIterator[AsyncIterator[SuggestionUpdate]]:
        """Stream a suggestion; leaving the context, in whatever way, stops the engine's work.

        The last update is final; there is always one, unless the stream is left earlier. ``request`` needs neither
        snippets nor ``multiline`` nor ``max_tokens``: they are filled in.

        Args:
            request: The cursor and what may be read.
            recent_edits: Newest first.
            automatic: The user typed and asked for nothing: wait a moment for the next key.
            session: Tells users of one server apart.
        """
        updates = _Suggestion(self, request, recent_edits, automatic=automatic, session=session).updates()
        async with aclosing(updates):
            yield updates

    async def complete(self, request: CompletionRequest) -> SuggestionUpdate:
        """Return only the finished suggestion."""
        async with self.stream(request) as updates:
            async for update in updates:
                if update.final:
                    return update
        raise AssertionError("a stream ends with a final update")

    async def gather(
        self, request: CompletionRequest, recent_edits: Sequence[RecentEdit], session: str
    ) -> GatheredContext:
        """Gather context in a thread; what is not there in time is left out, and a failure is no context."""
        deadline_ms = self.context_config.deadline_ms
        future = asyncio.get_running_loop().run_in_executor(
            self._threads,
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

    @property
    def engine(self) -> Engine:
        """What writes."""
        return self._engine

    def close(self) -> None:
        """Stop the threads. Idempotent."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Suggestion:
    """The making of one suggestion."""

    def __init__(
        self,
        service: CompletionService,
        request: CompletionRequest,
        recent_edits: Sequence[RecentEdit],
        *,
        automatic: bool,
        session: str,
    ) -> None:
        self._service = service
        self._recent_edits = recent_edits
        self._automatic = automatic
        self._session = session
        config = service.config
        self._config = config
        line_before = request.prefix[request.prefix.rfind("\n") + 1 :]
        line_after = request.suffix.partition("\n")[0]
        multiline = config.multiline and wants_several_lines(line_before, line_after)
        self._request = replace(request, multiline=multiline, max_tokens=config.max_tokens)
        self._cursor = cursor_of(self._request, max_lines=config.max_lines)
        self._started = time.perf_counter()
        self._record = SuggestionRecord()
        self._shown = ""
        self._final = Draft("", final=True)

    async def updates(self) -> AsyncGenerator[SuggestionUpdate, None]:
        """Run the pipeline. Closing the generator, or a cancel, leaves every context on the way."""
        record = self._record
        self._service.records.add(record)
        try:
            request = await self._prepare()
            async with self._service.engine.complete(request) as deltas:
                record.engine = deltas.rung.value if isinstance(deltas, LadderStream) else self._service.engine.name
                record.model = self._service.model if record.engine == Rung.VLLM else ""
                async with aclosing(self._grow(deltas)) as drafts:
                    async for draft in drafts:
                        if not draft.settled:
                            yield self._update(draft, final=False)
            final = self._final
        except EngineError as error:
            log.warning("no completion: %s", error)
            self._end(Outcome.FAILED)
            yield SuggestionUpdate(record.id, self._shown, final=True, engine=record.engine)
            return
        except (asyncio.CancelledError, GeneratorExit):
            self._end(Outcome.CANCELLED)
            raise
        record.characters = len(final.text)
        self._end(Outcome.SUGGESTED if final.text else Outcome.EMPTY)
        yield self._update(final, final=True)

    async def _prepare(self) -> CompletionRequest:
        """Wait for the next key and for context at the same time."""
        if self._service.engine.name == Rung.EMBEDDED:
            # It searches the index by itself and is quicker than any context; see server/engine/embedded.
            return self._request
        gathering = asyncio.ensure_future(self._service.gather(self._request, self._recent_edits, self._session))
        try:
            if self._automatic and self._config.debounce_ms and self._service.engine.name == Rung.VLLM:
                # Only a model costs enough to wait for the next key.
                await asyncio.sleep(self._config.debounce_ms / 1000)
                self._stage("debounce", self._started)
            context = await gathering
        finally:
            gathering.cancel()
        self._record.snippets, self._record.dropped = context.snippets, context.dropped
        self._record.stages.update({f"context.{name}": value for name, value in context.stages.items()})
        self._stage("context", self._started)
        return replace(self._request, snippets=context.snippets)

    async def _grow(self, deltas: AsyncIterator[Delta]) -> AsyncGenerator[Draft, None]:
        """Yield what may be shown each time there is more of it; leaves the end in ``_final``."""
        raw, asked, first = "", time.perf_counter(), True
        deadline = self._started + self._config.deadline_ms / 1000
        while True:
            try:
                async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                    delta = await anext(deltas, None)
            except TimeoutError:
                log.info("a completion ended at its deadline")
                delta = None
            if delta is None:
                break
            if first:
                self._stage("first_token", asked)
                first = False
            raw += delta.text
            self._record.tokens += delta.tokens
            draft = settle(raw, self._cursor, final=False)
            if draft.complete:
                break
            if len(draft.text) > len(self._shown) and draft.text.startswith(self._shown):
                if not self._shown:
                    seconds = time.perf_counter() - self._started
                    metrics.FIRST_TEXT_SECONDS.labels(self._record.engine).observe(seconds)
                self._shown = draft.text
                yield draft
        self._final = settle(raw, self._cursor, final=True)
        self._stage("engine", asked)

    def _update(self, draft: Draft, *, final: bool) -> SuggestionUpdate:
        return SuggestionUpdate(self._record.id, draft.text, final, self._record.engine, self._record.confidence)

    def _stage(self, name: str, since: float) -> None:
        seconds = time.perf_counter() - since
        self._record.stages[name] = round(seconds * 1000, 3)
        metrics.STAGE_SECONDS.labels(name).observe(seconds)

    def _end(self, outcome: Outcome) -> None:
        record = self._record
        if record.outcome is not Outcome.RUNNING:
            return
        record.outcome = outcome
        self._stage("total", self._started)
        metrics.COMPLETIONS.labels(record.engine or "none", outcome.value).inc()
        if record.tokens:
            metrics.GENERATED_TOKENS.labels(record.engine).inc(record.tokens)
            if outcome is not Outcome.SUGGESTED:
                metrics.WASTED_TOKENS.labels(record.engine, outcome.value).inc(record.tokens)
