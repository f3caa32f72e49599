"""One request to an engine. It may outlive the editor's request that it was made for, and serve the next ones."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from server import tracing
from server.completion import metrics
from server.completion.continuation import Start, may_fit, plain, rest_of
from server.completion.gathering import Gathering
from server.completion.postprocess import Draft, cursor_of, limit
from server.completion.records import Making
from server.completion.stand_in import StandIn
from server.completion.usage import Tally, Usage
from server.config import CompletionConfig
from server.context import GatheredContext, RecentEdit
from server.correlation import REQUEST_ID
from server.engine.ladder import LadderStream
from server.engine.metrics import StageTimes
from server.engine.timing import DeltaTimes
from server.errors import EngineError
from server.types import CompletionRequest, Delta, Engine, Rung

log = logging.getLogger(__name__)

CANCEL_GRACE_SECONDS = 0.008
"""Editors cancel a request because of a key that they report a moment later; the key may well fit."""
TYPING_GRACE_SECONDS = 0.5
"""How long after a key that fits the editor may take to ask again."""
WRITING_SECONDS = 0.01
"""How long before the end of a pause the prompt is written: late enough to know what was found meanwhile, and to be
spared where the next key comes."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a run is made of.

    Attributes:
        request: The cursor, with extent and bound but without snippets.
        recent_edits: Newest first.
        session: Tells users of one server apart.
        asked_at: When the request came, by ``time.perf_counter``.
        pause_seconds: How long after that to wait for the next key before a model is asked.
        shared: Whether other requests may take it over; it then outlives the one that started it for a moment.
        speculative: Whether it is begun before anybody asks.
    """

    request: CompletionRequest
    recent_edits: Sequence[RecentEdit] = ()
    session: str = ""
    asked_at: float = 0.0
    pause_seconds: float = 0.0
    shared: bool = False
    speculative: bool = False


@dataclass(slots=True)
class _Interest:
    """Who wants a run to go on."""

    followers: int = 0
    until: float = 0.0
    timer: asyncio.TimerHandle | None = field(default=None)

    def forget_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Run:
    """One request to an engine, from gathering context to the last token, in a task of its own.

    Args:
        task: What to do.
        engine: Who writes.
        gathering: Where context comes from.
        config: Extent and deadline.
        on_end: Called once when it has ended, in whatever way.
        tally: Where its tokens are counted.
        stand_in: Says something until a model does.
    """

    def __init__(
        self,
        task: Task,
        engine: Engine,
        gathering: Gathering,
        config: CompletionConfig,
        on_end: Callable[[Run], None],
        *,
        tally: Tally,
        stand_in: StandIn | None = None,
    ) -> None:
        self.task = task
        self.start = Start.of(task.request)
        self.making = Making(request_id=task.request.request_id)
        self.usage = Usage(speculative=task.speculative, tally=tally, caller=task.request.caller)
        self.said = Draft("")
        self.stand_in = stand_in
        self.asked = False
        """Whether an engine was asked; until then nothing is lost by starting anew."""
        self.ended = False
        self.cancelled = False
        self.whole = False
        """Whether it ended with its text: not at its deadline, and not because something failed."""
        self.error: EngineError | None = None
        self.version = 0
        """Grows whenever there is something new."""
        self._engine = engine
        self._gathering = gathering
        self._config = config
        self._on_end = on_end
        self._cursor = cursor_of(task.request, max_lines=config.max_lines)
        self._raw = ""
        self._awaited: str | None = None
        within = "" if task.speculative else "completion"
        trace = tracing.begin("making", task.request.request_id, within)
        self._stages = StageTimes(metrics.STAGE_SECONDS, task.request.caller, trace)
        self._times = DeltaTimes(partial(self._stages.note, "per_token"))
        self._news = asyncio.Event()
        self._grown = asyncio.Event()
        self._interest = _Interest()
        self._loop = asyncio.get_running_loop()
        self._started = time.perf_counter()
        self._work = asyncio.create_task(self._run(), name="completion")

    def serves(self, request: CompletionRequest) -> bool:
        """Whether it may answer a request made now, as far as it is known yet."""
        if self.cancelled or self.error is not None:
            return False
        typed = self.start.typed(request)
        if typed is None or (typed and not self.asked):
            return False
        return rest_of(self.said.text, typed, ended=self.settled, held=self.held) is not None

    def survives(self, text: str) -> bool:
        """Whether it may answer the next request for a document that has just become ``text``.

        What was typed is remembered until that request comes: a word that contradicts it ends the run.
        """
        inserted = self.start.inserted(text)
        if inserted is None or self.cancelled or (inserted and not self.asked):
            return False
        self._awaited = inserted
        return self._may_say(inserted)

    def _may_say(self, inserted: str) -> bool:
        return may_fit(self.said.text, inserted, ended=self.settled, held=self.held)

    @property
    def held(self) -> str:
        """What is written behind what it says, and cannot be shown yet."""
        written = plain(self._raw)
        # Where indentation was changed on the way it cannot be told, and nothing is the safe answer.
        return written[len(self.said.text) :] if written.startswith(self.said.text) else ""

    @property
    def settled(self) -> bool:
        """Whether what it says will not grow any more."""
        return self.ended or self.said.complete

    @property
    def followed(self) -> bool:
        """Whether a request waits for it."""
        return self._interest.followers > 0

    async def news(self, version: int) -> None:
        """Wait until there is something newer than ``version``."""
        while self.version == version:
            await self._news.wait()

    async def pause(self, seconds: float) -> None:
        """Let it write for so long, or until what it says will not grow any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._grown.wait()

    def follow(self) -> None:
        """Keep it running for a request."""
        self._interest.followers += 1
        self.usage.speculative = False
        # The request that a key announced is here: when it is taken back nothing else is waited for.
        self._interest.until = 0.0
        self._awaited = None
        self._interest.forget_timer()

    async def leave(self) -> None:
        """End what :meth:`follow` began; it stops soon when nobody else follows it."""
        self._interest.followers -= 1
        if self.ended or self._interest.followers:
            return
        if not self.task.shared:
            await self.stop()
        else:
            self._linger()

    def keep(self) -> None:
        """Let it go on for the request that will follow a key that fits."""
        self._interest.until = self._loop.time() + TYPING_GRACE_SECONDS
        if not self.ended and not self.followed:
            self._linger()

    def cancel(self) -> None:
        """Give it up: its engine's connection is closed and its text is lost."""
        self._interest.forget_timer()
        if not self.ended:
            self.cancelled = True
            self._work.cancel()

    async def stop(self) -> None:
        """Give it up, and wait until it has ended."""
        self.cancel()
        await asyncio.wait({self._work})

    async def enough(self) -> None:
        """End it with what it has said, which is all that is wanted."""
        if not self.ended:
            self.whole = True
            self._work.cancel()
        await self.finished()

    async def finished(self) -> None:
        """Wait for its end; a mistake of ours in it is raised here."""
        await asyncio.wait({self._work})
        if not self._work.cancelled() and (mistake := self._work.exception()) is not None:
            raise mistake

    def _linger(self) -> None:
        self._interest.forget_timer()
        now = self._loop.time()
        self._interest.timer = self._loop.call_at(max(now + CANCEL_GRACE_SECONDS, self._interest.until), self.cancel)

    async def _run(self) -> None:
        REQUEST_ID.set(self.task.request.request_id)
        try:
            asking = await self._prepare()
            self.asked = True
            metrics.ENGINE_REQUESTS.labels(self._engine.name).inc()
            asked = time.perf_counter()
            if self.stand_in is not None and self._engine.name == Rung.VLLM:
                self.stand_in.start(self.task.request, self._cursor, self._tell)
            async with asking as deltas:
                ladder = deltas if isinstance(deltas, LadderStream) else None
                self.making.engine = ladder.rung.value if ladder is not None else self._engine.name
                in_time = await self._read(deltas, asked)
                self.whole = in_time and not (ladder is not None and ladder.failure is not None)
            self._stage("engine", asked)
        except EngineError as error:
            log.warning("no completion: %s", error)
            self.error = error
        finally:
            self._end()

    async def _prepare(self) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Wait for the next key; meanwhile gather context and write what the engine is to be asked."""
        task = self.task
        if self._engine.name == Rung.EMBEDDED:
            # It searches the index by itself and is quicker than any context; see server/engine/embedded.
            return self._engine.complete(task.request)
        until = task.asked_at + task.pause_seconds
        # Only a model costs enough to wait for the next key.
        waits = self._engine.name == Rung.VLLM and until > self._started
        gathering = asyncio.create_task(self._gather())
        try:
            if waits:
                await _sleep_until(until - WRITING_SECONDS)
            context = await gathering
            if waits:
                # What was looked for in the background meanwhile may have come.
                context = self._gathering.newest(task.request, task.recent_edits, task.session, otherwise=context)
        finally:
            gathering.cancel()
        self._note_context(context)
        asking = await self._engine.prepare(replace(task.request, snippets=context.snippets))
        if waits:
            await _sleep_until(until)
            # What was meant: that the wait ended late is a cost like any other.
            self._note("debounce", until - task.asked_at)
        return asking

    def _note_context(self, context: GatheredContext) -> None:
        self.making.snippets, self.making.dropped = context.snippets, context.dropped
        self.making.stages.update({f"gather.{name}": value for name, value in context.stages.items()})
        if "search" in context.stages:
            self._note("retrieve", context.stages["search"] / 1000)

    async def _gather(self) -> GatheredContext:
        began = time.perf_counter()
        try:
            return await self._gathering.gather(self.task.request, self.task.recent_edits, self.task.session)
        finally:
            self._stage("gather", began)

    async def _read(self, deltas: AsyncIterator[Delta], asked: float) -> bool:
        """Take in what the engine writes, until it ends or says all that is wanted; false if it took too long."""
        deadline = self._started + self._config.deadline_ms / 1000
        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                while not self.said.complete and (delta := await anext(deltas, None)) is not None:
                    self._take_in(delta, asked)
                    # Others have their turn, also when an engine has many at once.
                    await asyncio.sleep(0)
        except TimeoutError:
            log.info("a completion ended at its deadline")
            return False
        return True

    def _take_in(self, delta: Delta, asked: float) -> None:
        self._times.arrived(delta)
        if not self._raw:
            self._begin(delta, asked)
        self._raw += delta.text
        self.usage.tokens += delta.tokens
        if self._raw:
            self.making.tokens_per_character = self.usage.tokens / len(self._raw)
        self.said = limit(self._raw, self._cursor, final=False)
        self._times.handled()
        self._tell()
        if self._awaited is not None and not self.followed and not self._may_say(self._awaited):
            self.cancel()

    def _begin(self, delta: Delta, asked: float) -> None:
        self._no_stand_in()
        making = self.making
        making.confidence, making.source, making.model = delta.confidence, delta.source, delta.model
        for name, milliseconds in delta.stages.items():
            self._note(name, milliseconds / 1000)
        if delta.text:
            self._stage("first_token", asked)

    def _end(self) -> None:
        self._interest.forget_timer()
        self._no_stand_in()
        ending = time.perf_counter()
        self.said = limit(self._raw, self._cursor, final=True)
        self.ended = True
        if self._raw:
            self._note("post_process", self._times.handling_seconds + time.perf_counter() - ending)
        if self._times.seconds_per_token:
            self.making.stages["per_token"] = round(self._times.seconds_per_token * 1000, 3)
        self.usage.engine, self.usage.model = self.making.engine, self.making.model
        self.usage.count()
        self._stages.count(self.making.model or self.making.engine)
        if self.cancelled or self.error is not None:
            self.usage.waste("cancelled" if self.cancelled else "failed")
        self._tell()
        self._on_end(self)

    def _no_stand_in(self) -> None:
        if self.stand_in is not None:
            self.stand_in.stop()

    def _tell(self) -> None:
        self.version += 1
        if self.settled:
            self._grown.set()
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _stage(self, name: str, since: float) -> None:
        self._note(name, time.perf_counter() - since)

    def _note(self, name: str, seconds: float) -> None:
        self.making.stages[name] = round(seconds * 1000, 3)
        self._stages.note(name, seconds)
        log.debug("%s took %.3f ms", name, seconds * 1000)


async def _sleep_until(moment: float) -> None:
    """Sleep until ``time.perf_counter`` says ``moment``, if it is not over."""
    seconds = moment - time.perf_counter()
    if seconds > 0:
        await asyncio.sleep(seconds)
