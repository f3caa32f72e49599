"""The making of one suggestion: the answer to one request, out of whatever has its text."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from server import tracing
from server.completion import metrics
from server.completion.cache import Kept
from server.completion.continuation import rest_of
from server.completion.postprocess import Draft, cursor_of, fit
from server.completion.records import Making, Outcome, Reuse, SuggestionRecord
from server.completion.running import Run
from server.engine.metrics import StageTimes
from server.types import CompletionRequest

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.02
"""Between two looks at what is growing: as often as eyes see it grow, where a model may write three times as fast."""


@dataclass(frozen=True, slots=True)
class SuggestionUpdate:
    """All of a suggestion's text so far.

    Each text begins with the one before it, with two exceptions. The last one (``final``) may have lost some of its
    end, or all of it when the suggestion is withdrawn. And once, where ``engine`` changes, a model's text takes the
    place of what stood in for it; neither of the two is empty, and no text is ever of both.
    ``source`` says where the text was found, if the engine found it.
    """

    id: str
    text: str
    final: bool
    engine: str
    confidence: float = -1.0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a suggestion gets its text from.

    Attributes:
        kept: Finished texts that the user types along, with what is left of each.
        run: A run that may serve the request; started for it, unless one is under way.
        new_run: A run started for the request.
    """

    kept: Callable[[], Iterator[tuple[Kept, str]]]
    run: Callable[[], tuple[Run, Reuse]]
    new_run: Callable[[], tuple[Run, Reuse]]


class Suggestion:
    """The answer to one request.

    Args:
        request: The cursor.
        record: What is remembered of it.
        sources: Where its text comes from.
    """

    def __init__(self, request: CompletionRequest, record: SuggestionRecord, sources: Sources) -> None:
        self._request = request
        self._record = record
        self._sources = sources
        self._cursor = cursor_of(request)
        self._started = time.perf_counter()
        self._stages = StageTimes(
            metrics.STAGE_SECONDS, request.caller, tracing.begin("completion", request.request_id)
        )
        self._final: Draft | None = None
        self._fitting = 0.0
        self._standing_in = False
        """Whether what is shown is a stand-in's text."""

    async def updates(self) -> AsyncGenerator[SuggestionUpdate, None]:
        """Stream it. Closing the generator, or a cancel, leaves the run."""
        try:
            if not self._take_kept():
                take_run = self._sources.run
                while self._final is None:
                    run, self._record.reuse = take_run()
                    if not self._standing_in:
                        self._record.making = run.making
                    async with aclosing(self._follow(run)) as drafts:
                        async for draft in drafts:
                            yield self._update(draft, final=False)
                    take_run = self._sources.new_run
        except (asyncio.CancelledError, GeneratorExit):
            self._end(Outcome.CANCELLED)
            raise
        final = self._final or Draft("")
        self._record.text = final.text
        self._end(Outcome.SUGGESTED if final.text else Outcome.EMPTY)
        yield self._update(final, final=True)

    def _take_kept(self) -> bool:
        """Answer from a finished text, if one has something left to say here."""
        for kept, rest in self._sources.kept():
            draft = fit(Draft(rest, final=True), self._cursor)
            if draft.text:
                self._record.making, self._record.reuse = kept.making, Reuse.CACHED
                kept.usage.seen = True
                metrics.CACHE_HITS.labels(kept.making.engine).inc()
                self._final = draft
                self._grows(draft, kept.making)
                return True
        return False

    async def _follow(self, run: Run) -> AsyncGenerator[Draft, None]:
        """Yield what may be shown each time there is more of it.

        Leaves the end in ``_final``, unless the run turns out to say something else than what was typed.
        """
        typed = run.start.typed(self._request)
        run.follow()
        try:
            while typed is not None:
                version, ended = run.version, run.ended
                if run.cancelled or run.error is not None:
                    self._final = Draft(self._record.text, final=True)
                    self._end(Outcome.FAILED if run.error is not None else Outcome.CANCELLED)
                    return
                fitting = time.perf_counter()
                rest = rest_of(run.said.text, typed, ended=run.settled, held=run.held)
                if rest is None:
                    return
                draft = fit(replace(run.said, text=rest), self._cursor)
                self._fitting += time.perf_counter() - fitting
                if ended:
                    await run.finished()
                    self._take(draft, run)
                    return
                if draft.complete:
                    await run.enough()
                    continue
                if self._grows(draft, run.making):
                    yield draft
                    await run.pause(PAUSE_SECONDS)
                elif not draft.text and (stand_in := self._stand_in(run, typed)) is not None:
                    yield stand_in
                await run.news(version)
        finally:
            await run.leave()

    def _take(self, draft: Draft, run: Run) -> None:
        self._grows(draft, run.making)
        if draft.text:
            self._final = draft
            self._taken_over(run.making, draft)
            run.usage.seen = True
        else:
            # A stand-in that is shown stays: it is sure, and the model knows nothing better.
            self._final = Draft(self._record.text if self._standing_in else "", final=True)
            run.usage.waste("empty")
        if self._record.reuse is Reuse.RECYCLED:
            metrics.RECYCLED.labels(run.making.engine).inc()

    def _grows(self, draft: Draft, making: Making) -> bool:
        """Note what is about to be shown; whether it adds to what was, or takes a stand-in's place."""
        shown = self._record.text
        if self._standing_in:
            if shown.startswith(draft.text):
                # The model says less so far, but nothing else.
                return False
            self._taken_over(making, draft)
            self._time_first_text()
        elif len(draft.text) <= len(shown) or not draft.text.startswith(shown):
            return False
        elif not shown:
            self._time_first_text()
        self._record.text = draft.text
        return True

    def _stand_in(self, run: Run, typed: str) -> Draft | None:
        """Return what may be shown while the model is silent, if nothing is yet."""
        stand_in = run.stand_in
        if stand_in is None or not stand_in.text.text or self._record.text:
            return None
        rest = rest_of(stand_in.text.text, typed, ended=True)
        draft = fit(replace(stand_in.text, text=rest), self._cursor) if rest is not None else Draft("")
        if not draft.text:
            return None
        self._standing_in = True
        self._record.making, self._record.text = stand_in.making, draft.text
        self._time_first_text()
        return draft

    def _taken_over(self, making: Making, draft: Draft) -> None:
        """Let the model's text be the suggestion's from now on."""
        if self._standing_in:
            self._standing_in = False
            goes_on = draft.text.startswith(self._record.text) or self._record.text.startswith(draft.text)
            metrics.STAND_INS.labels("continued" if goes_on else "replaced").inc()
            self._record.making = making

    def _time_first_text(self) -> None:
        seconds = time.perf_counter() - self._started
        metrics.FIRST_TEXT_SECONDS.labels(self._record.engine).observe(seconds)
        if "first_text" not in self._record.stages:
            self._note("first_text", seconds)

    def _update(self, draft: Draft, *, final: bool) -> SuggestionUpdate:
        self._record.text = draft.text
        making = self._record.making
        return SuggestionUpdate(
            self._record.id, draft.text, final, making.engine, confidence=making.confidence, source=making.source
        )

    def _end(self, outcome: Outcome) -> None:
        record = self._record
        if record.outcome is not Outcome.RUNNING:
            return
        record.end(outcome)
        if self._standing_in:
            metrics.STAND_INS.labels("left").inc()
        self._note("total", time.perf_counter() - self._started)
        metrics.COMPLETIONS.labels(record.engine or "none", outcome.value).inc()
        if record.text:
            self._note("fit", self._fitting)
        self._stages.count(record.making.model or record.engine)
        log.debug("suggestion %s, made by request %s", outcome.value, record.making.request_id or "none")

    def _note(self, stage: str, seconds: float) -> None:
        self._record.stages[stage] = round(seconds * 1000, 3)
        self._stages.note(stage, seconds)
