"""Completes at a cursor: context, engine, post-processing, one stream of growing text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

from server.completion import metrics
from server.completion.bounds import bounded
from server.completion.cache import Kept, TypeThroughCache
from server.completion.debounce import Debounce
from server.completion.gathering import Gathering
from server.completion.records import Outcome, Reuse, SuggestionRecord, SuggestionRecords
from server.completion.retention import Retention
from server.completion.running import Run, Task
from server.completion.speculation import Finished, Speculation
from server.completion.stand_in import QUICK_SECONDS, Propose, StandIn
from server.completion.suggestion import Sources, Suggestion, SuggestionUpdate
from server.completion.usage import Tally
from server.config import CompletionConfig, ContextConfig
from server.context import ContextGatherer, RecentEdit
from server.correlation import new_request_id, usable_request_id
from server.types import CompletionRequest, Engine, Rung

MAX_WASTE = 0.15
"""The part of a model's tokens that may be wasted; beyond it nothing is begun before it is asked for."""


class CompletionService:
    """Streams suggestions. One instance serves many documents and users at the same time.

    Args:
        gatherer: Finds context; it is called in a thread.
        engine: Writes; normally the ladder.
        config: Pause before asking, deadline, extent.
        context_config: How long context may take; what comes later is left out.
        threads: Where context is gathered; by default threads of its own.
        propose: Finds what may stand in for a model until its first token; by default nothing does.
    """

    def __init__(
        self,
        gatherer: ContextGatherer,
        engine: Engine,
        config: CompletionConfig | None = None,
        context_config: ContextConfig | None = None,
        *,
        threads: Executor | None = None,
        propose: Propose | None = None,
    ) -> None:
        self._engine = engine
        self._config = config or CompletionConfig()
        self._gathering = Gathering(gatherer, context_config or ContextConfig(), threads)
        self._runs: dict[str, Run] = {}
        self._cache = TypeThroughCache()
        self._debounce = Debounce(self._config)
        self._speculation = Speculation()
        self._tally = Tally()
        self._propose = propose if self._config.stand_in else None
        self.retention = Retention()
        self.records = SuggestionRecords(taken=self.retention.taken)

    @asynccontextmanager
    async def stream(
        self,
        request: CompletionRequest,
        *,
        recent_edits: Sequence[RecentEdit] = (),
        automatic: bool = False,
        asked_at: float | None = None,
        session: str = "",
        document: str = "",
        lead: str = "",
    ) -> AsyncIterator[AsyncIterator[SuggestionUpdate]]:
        """Stream a suggestion. The last update is final; there is always one, unless the stream is left earlier.

        Leaving the context, in whatever way, stops the engine's work; with a ``document`` it goes on for a few
        milliseconds, in which :meth:`changed` or the next request for the document may turn out to fit it.
        ``request`` needs neither snippets nor ``multiline`` nor ``max_tokens``: they are filled in, and a
        ``request_id`` when it has none. That id is the suggestion's.

        Args:
            request: The cursor and what may be read.
            recent_edits: Newest first.
            automatic: The user typed and asked for nothing: wait a moment for the next key.
            asked_at: When the request came, by ``time.perf_counter``, from where on that moment counts; by default now.
            session: Tells users of one server apart.
            document: Names the document among those of all sessions; empty when nothing will follow this request.
            lead: What the editor shows before the suggestion as a part of it.
        """
        record = SuggestionRecord(id=usable_request_id(request.request_id), caller=request.caller, lead=lead)
        task = Task(
            request=replace(bounded(request, self._config), request_id=record.id),
            recent_edits=recent_edits,
            session=session,
            asked_at=time.perf_counter() if asked_at is None else asked_at,
            pause_seconds=self._debounce.seconds(document) if automatic else 0.0,
            shared=bool(document),
        )
        self.records.add(record)
        sources = Sources(
            kept=partial(self._kept, document, task.request),
            run=partial(self._take_run, task, document),
            new_run=partial(self._new_run, task, document),
        )
        updates = Suggestion(task.request, record, sources).updates()
        async with aclosing(updates):
            yield updates
        if document and record.outcome is Outcome.SUGGESTED:
            self._speculation.finished(document, Finished(record.id, task, record.text))

    async def alternatives(
        self,
        request: CompletionRequest,
        shown: SuggestionUpdate,
        *,
        recent_edits: Sequence[RecentEdit] = (),
        session: str = "",
        lead: str = "",
    ) -> tuple[SuggestionUpdate, ...]:
        """Return other texts for the place of a finished suggestion, which its user has asked for.

        There are none while a model's suggestion is new: it has not been looked at, so that others are not wanted yet.

        Args:
            request: As it was for the suggestion.
            shown: The suggestion.
            recent_edits: As for :meth:`stream`.
            session: As for :meth:`stream`.
            lead: As for :meth:`stream`.
        """
        record = self.records.get(shown.id)
        if record is None or not shown.text or (record.engine == Rung.VLLM and record.reuse is not Reuse.CACHED):
            return ()
        variants = range(1, self._config.alternatives + 1)
        asked = [
            self.complete(
                replace(request, variant=number, request_id=""), recent_edits=recent_edits, session=session, lead=lead
            )
            for number in variants
        ]
        texts = {update.text: update for update in await asyncio.gather(*asked) if update.text != shown.text}
        return tuple(update for text, update in texts.items() if text)

    async def complete(
        self,
        request: CompletionRequest,
        *,
        recent_edits: Sequence[RecentEdit] = (),
        session: str = "",
        lead: str = "",
    ) -> SuggestionUpdate:
        """Return only the finished suggestion. Its arguments are those of :meth:`stream`."""
        async with self.stream(request, recent_edits=recent_edits, session=session, lead=lead) as updates:
            async for update in updates:
                if update.final:
                    return update
        raise AssertionError("a stream ends with a final update")

    def changed(self, document: str, text: Callable[[], str]) -> None:
        """A document was edited: what is being written for it goes on only if the user typed what it may say.

        Args:
            document: As for :meth:`stream`.
            text: Returns all of its text now; called only if something is being written for it, or was suggested.
        """
        self._debounce.note_key(document)
        # What is kept for other documents was made without knowing of this change.
        self._cache.forget_all_but(document)
        run = self._runs.get(document)
        if run is None and not self._speculation.waits(document):
            return
        now = text()
        if run is not None and run.survives(now):
            run.keep()
        elif run is not None:
            self._give_up(document)
        taken = self._speculation.changed(document, now)
        if taken is not None:
            self._go_on(document, taken)

    def accepted(self, identifier: str) -> None:
        """An editor says that a suggestion was taken: what comes after it is begun before it is asked for."""
        self.records.note_accepted(identifier)
        taken = self._speculation.accepted(identifier)
        if taken is not None:
            self._go_on(*taken)

    async def opened(self, request: CompletionRequest, session: str) -> None:
        """A document was opened: do ahead what its first suggestion will want. ``request`` is for its beginning.

        Context is gathered in the background, and all of the text is turned into tokens, which are remembered.
        """
        if self._engine.name == Rung.EMBEDDED or not self._gathering.look_ahead(request, session):
            return
        await self._engine.prepare(replace(request, prefix=request.prefix + request.suffix, suffix=""))

    def closed(self, document: str) -> None:
        """A document was closed: nothing is written for it any more, and nothing kept."""
        self._give_up(document)
        self._speculation.forget(document)
        self._cache.forget(document)
        self.retention.closed(document)

    @property
    def engine(self) -> Engine:
        """What writes."""
        return self._engine

    def close(self) -> None:
        """Stop all work. Idempotent."""
        for document in list(self._runs):
            self._give_up(document)
        self._cache.clear()
        self.retention.close()
        self._gathering.close()

    def _go_on(self, document: str, taken: Finished) -> None:
        """Ask a model for what comes after a suggestion that was taken, if that rarely is in vain."""
        if not self._config.speculate or self._engine.name != Rung.VLLM or self._tally.share > MAX_WASTE:
            return
        before = taken.task.request
        request = bounded(replace(before, prefix=before.prefix + taken.text), self._config)
        run = self._runs.get(document)
        if (run is not None and run.serves(request)) or next(self._kept(document, request), None) is not None:
            return
        now = time.perf_counter()
        request = replace(request, request_id=new_request_id())
        task = replace(taken.task, request=request, asked_at=now, pause_seconds=0.0, speculative=True)
        run, _ = self._new_run(task, document)
        metrics.SPECULATIVE.inc()
        run.keep()

    def _kept(self, document: str, request: CompletionRequest) -> Iterator[tuple[Kept, str]]:
        return self._cache.find(document, request) if document else iter(())

    def _take_run(self, task: Task, document: str) -> tuple[Run, Reuse]:
        current = self._runs.get(document) if task.shared else None
        if current is not None and current.serves(task.request):
            return current, Reuse.RECYCLED
        return self._new_run(task, document)

    def _new_run(self, task: Task, document: str) -> tuple[Run, Reuse]:
        self._give_up(document)
        run = Run(
            task,
            self._engine,
            self._gathering,
            self._config,
            partial(self._ended, document),
            tally=self._tally,
            stand_in=None if task.request.variant else self._stand_in(),
        )
        if task.shared:
            self._runs[document] = run
        return run, Reuse.NONE

    def _stand_in(self) -> StandIn | None:
        latency = self._debounce.latency
        if self._propose is None or (latency is not None and latency < QUICK_SECONDS):
            return None
        return StandIn(self._propose, self._config.stand_in)

    def _give_up(self, document: str) -> None:
        run = self._runs.pop(document, None)
        if run is not None:
            run.cancel()

    def _ended(self, document: str, run: Run) -> None:
        if self._runs.get(document) is run:
            del self._runs[document]
        if run.making.engine == Rung.VLLM and "first_token" in run.making.stages:
            self._debounce.note_first_token(run.making.stages["first_token"] / 1000)
        if run.cancelled or run.error is not None:
            return
        # The embedded engine is as quick as the cache, and knows more with each key.
        if document and run.making.engine == Rung.VLLM and run.said.text and run.whole:
            self._cache.keep(document, run.start, run.said.text, run.making, run.usage)
        elif not run.followed:
            run.usage.waste("unread")
