"""Chooses what a completion should know besides the file at the cursor."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from indexer.api import Index
from indexer.types import Hit, Scope
from server.config import ContextConfig
from server.context.candidates import Candidate, DefinitionReader
from server.context.documents import ParseCache
from server.context.modules import CERTAIN
from server.context.receivers import occurrences
from server.context.resolution import Definition, Origin, Resolver
from server.context.selection import WEAK, select
from server.context.standing import Basis, Standing, line_of, names_around
from server.context.surroundings import NearName, Surroundings, look_around
from server.context.values import GatheredContext, RecentEdit
from server.context.windows import SimilarWindows
from server.syntax import NameUse, UseShape
from server.types import CompletionRequest, Snippet, SnippetReason

_LOG = logging.getLogger(__name__)
_DOCUMENTS_REMEMBERED = 256
_SEARCH_THREADS = 2
_SEARCH_HITS = 20
_MAX_LOOKING_AHEAD = 16
"""Documents whose text waits to be looked at before anything is typed into them; of all users together."""
_MAX_NAMES = 24
_MAX_IMPORTED = 48
_MAX_READ = 16

# How much each source counts at best. Chosen with `python -m benchmarks.context`.
_IMPORTED_NEAR = 1.0
_IMPORTED_UNUSED = 0.55
_IMPORTED_ELSEWHERE = 0.2
_DEFINITION = 1.0
_SEARCH = 0.3
_SEARCH_IN_IMPORTED_FILE = 0.4
_OPEN_FILE = 0.6
_RECENT_EDIT = 0.75


@dataclass(frozen=True, slots=True)
class _Asked:
    """One call, as it is made again in the background."""

    request: CompletionRequest
    recent_edits: Sequence[RecentEdit]
    session: str


@dataclass(slots=True)
class _Memory:
    """What is kept of one document between two calls."""

    standing: Standing | None = None
    """What was gathered last, and which cursors it serves."""
    waiting: _Asked | None = None
    """The latest cursor that wants a newer context."""
    refreshing: bool = False
    """Whether one is being made."""

    search: Future[list[Hit]] | None = None
    """The last search; it may still run when the call that started it is over."""
    question: tuple[str, Scope, int] | None = None
    """What it asks: query, scope, generation of the index."""
    hits: tuple[Hit, ...] = field(default=())
    """What the last search that was waited for found."""


class ContextGatherer:
    """Gathers snippets for completions; safe to call from several threads.

    Args:
        index: The index to draw on; ``None`` leaves open files and recent edits.
        config: Budgets and the default deadline.
    """

    def __init__(self, index: Index | None, config: ContextConfig | None = None) -> None:
        self._index = index
        self._config = config or ContextConfig()
        self._parses = ParseCache()
        self._resolver = Resolver(index, self._parses)
        self._reader = DefinitionReader(index)
        self._windows = SimilarWindows()
        self._lock = threading.Lock()
        self._memories: OrderedDict[tuple[str, str, str], _Memory] = OrderedDict()
        self._threads = ThreadPoolExecutor(_SEARCH_THREADS, thread_name_prefix="hearth-search")
        self._background = ThreadPoolExecutor(1, thread_name_prefix="hearth-refresh")
        self._looking_ahead = 0

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
        asked = _Asked(request, recent_edits, session)
        memory = self._memory(session, request)
        clock = _Clock(self._config.deadline_ms if deadline_ms is None else deadline_ms)
        if clock.is_endless():
            return self._gather(asked, memory, clock)
        basis = self._basis(request)
        standing = memory.standing
        if standing is None or not basis.reads_as(standing.basis):
            return self._gather(asked, memory, clock)
        missing = standing.missing(request)
        if not standing.basis.serves(basis) or self._any_defined(missing, request):
            # What explains the new names is needed now; what resembles the lines around them can come later.
            context = self._gather(asked, memory, clock, wait_for_search=False)
            self._refresh(asked, memory)
            return context
        with self._lock:
            memory.standing = replace(standing, names=standing.names | missing)
        clock.stage("names")
        if not standing.is_newest(request, basis):
            self._refresh(asked, memory)
        return replace(standing.context, stages=MappingProxyType(clock.stages))

    def at_once(
        self, request: CompletionRequest, *, recent_edits: Sequence[RecentEdit] = (), session: str = ""
    ) -> GatheredContext | None:
        """Return what an earlier call for the same document gathered, if it serves this cursor as well.

        Takes microseconds and never blocks, so it may be called on the event loop. When the cursor went to another
        line, or the index shows something new, a newer choice is made in the background for the keys to come. ``None``:
        call :meth:`gather`.
        """
        memory = self._memories.get((session, request.repository, request.path))
        standing = memory.standing if memory is not None else None
        basis = self._basis(request)
        if memory is None or standing is None or not standing.basis.serves(basis) or standing.missing(request):
            return None
        if not standing.is_newest(request, basis):
            self._refresh(_Asked(request, recent_edits, session), memory)
        return standing.context

    def look_ahead(self, request: CompletionRequest, *, session: str = "") -> bool:
        """Gather in the background for a document that was just opened, so that its first key need not wait.

        Never blocks. The cursor is not known yet: what the document imports is, and what its beginning uses. Where very
        many are opened at once, the later ones wait for their first key: typing comes before guessing. False for those.
        """
        memory = self._memory(session, request)
        with self._lock:
            if memory.standing is not None or self._looking_ahead >= _MAX_LOOKING_AHEAD:
                return False
            self._looking_ahead += 1
        try:
            self._background.submit(self._look_ahead_now, _Asked(request, (), session), memory)
        except RuntimeError:
            # The gatherer was closed meanwhile.
            self._looking_ahead -= 1
            return False
        return True

    def last(self, request: CompletionRequest, *, session: str = "") -> GatheredContext:
        """Return what was gathered last for the document, though names at this cursor may be missing; never blocks.

        Nothing when the open files or what may be read have changed since.
        """
        memory = self._memories.get((session, request.repository, request.path))
        standing = memory.standing if memory is not None else None
        return (
            standing.context
            if standing is not None and standing.basis.serves(self._basis(request))
            else GatheredContext()
        )

    def _gather(
        self, asked: _Asked, memory: _Memory, clock: _Clock, *, wait_for_search: bool = True
    ) -> GatheredContext:
        request, recent_edits = asked.request, asked.recent_edits
        basis = self._basis(request)
        origin = self._resolver.origin(
            path=request.path,
            language=request.language,
            text=request.prefix + request.suffix,
            repository=request.repository,
            ref=request.ref,
            scope=request.scope,
            open_files=request.open_files,
            cursor_line=request.prefix.count("\n") + 1,
        )
        around = look_around(request.prefix, request.suffix, request.language, origin.parsed)
        clock.stage("read")
        search = self._start_search(around, origin, memory) if wait_for_search else None
        self._resolver.prefetch(
            [
                *(item.name or local for local, item in origin.imports.items()),
                *(near.use.name for near in around.names),
            ],
            origin,
        )
        clock.stage("symbols")
        candidates = list(self._similar(around, origin, recent_edits))
        clock.stage("open")
        candidates += self._imported(around, origin, clock)
        clock.stage("imports")
        candidates += self._used(around, origin, clock)
        clock.stage("definitions")
        hits = self._finish_search(search, memory, clock) if wait_for_search else memory.hits
        candidates += _from_hits(hits, origin)
        clock.stage("search")
        candidates = [candidate for candidate in candidates if _allowed(candidate, origin)]
        selection = select(candidates, self._config, self._still_valid(memory, origin))
        clock.stage("select")
        context = GatheredContext(selection.snippets, selection.dropped, MappingProxyType(clock.stages))
        names = names_around(request) | origin.imports.keys()
        whole = wait_for_search and "search-late" not in clock.stages
        with self._lock:
            memory.standing = Standing(replace(context, stages={}), basis, line_of(request), names, whole)
        return context

    def forget(self, path: str, *, repository: str = "", session: str = "") -> None:
        """Drop what is remembered of a document that was closed."""
        with self._lock:
            self._memories.pop((session, repository, path), None)

    def close(self) -> None:
        """Stop the gatherer's threads. Idempotent."""
        self._background.shutdown(wait=True, cancel_futures=True)
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _look_ahead_now(self, asked: _Asked, memory: _Memory) -> None:
        try:
            if memory.standing is None:
                self._gather(asked, memory, _Clock(0))
        except Exception:  # noqa: BLE001 - a dispatch boundary: the first key gathers for itself
            _LOG.exception("gathering context ahead failed")
        with self._lock:
            self._looking_ahead -= 1

    def _refresh(self, asked: _Asked, memory: _Memory) -> None:
        """Make a newer choice in the background, for the latest cursor of the document and once at a time.

        Documents take turns: one that changes faster than choices are made waits behind all others.
        """
        with self._lock:
            memory.waiting = asked
            if memory.refreshing:
                return
            memory.refreshing = True
        try:
            self._background.submit(self._refresh_now, memory)
        except RuntimeError:
            # The gatherer was closed meanwhile.
            memory.refreshing = False

    def _refresh_now(self, memory: _Memory) -> None:
        try:
            asked = self._latest(memory)
            if asked is not None:
                self._gather(asked, memory, _Clock(0))
        except Exception:  # noqa: BLE001 - a dispatch boundary: what was gathered before goes on serving
            _LOG.exception("gathering context in the background failed")
        with self._lock:
            memory.refreshing = False
            later = memory.waiting
        if later is not None:
            self._refresh(later, memory)

    def _latest(self, memory: _Memory) -> _Asked | None:
        with self._lock:
            asked, memory.waiting = memory.waiting, None
            return asked

    def _basis(self, request: CompletionRequest) -> Basis:
        return Basis.of(request, self._index.generation() if self._index is not None else -1)

    def _any_defined(self, names: frozenset[str], request: CompletionRequest) -> bool:
        return bool(names) and self._resolver.any_defined(
            names,
            repository=request.repository,
            ref=request.ref,
            path=request.path,
            scope=request.scope,
            open_files=request.open_files,
        )

    def _similar(self, around: Surroundings, origin: Origin, recent_edits: Sequence[RecentEdit]) -> Iterator[Candidate]:
        files = origin.open_files[: self._config.open_files]
        yield from self._windows.in_open_files(around.words, files, origin.repository, _OPEN_FILE)
        yield from self._windows.in_edits(around.words, recent_edits, _RECENT_EDIT)

    def _imported(self, around: Surroundings, origin: Origin, clock: _Clock) -> Iterator[Candidate]:
        """Definitions of the names that the document imports: used nearby, not used yet, used elsewhere."""
        near = {name.use.name: name for name in around.names if not name.use.shape.is_member}
        weighted: list[tuple[float, NameUse]] = []
        for local, item in origin.imports.items():
            # Modules are resolved through their members, except those that are a definition (`import a.b.Class`).
            if not item.name and local not in near and not local[:1].isupper():
                continue
            if local in near:
                use = near[local].use
                weight = _IMPORTED_NEAR * (0.45 + 0.55 * near[local].nearness)
            else:
                shape = UseShape.TYPE if local[:1].isupper() else UseShape.PLAIN
                use = NameUse(local, shape, around.line, 0)
                # Once for the import itself: a name that is used nowhere yet is likely to be used now.
                weight = _IMPORTED_UNUSED if len(list(occurrences(origin.text, local, 2))) < 2 else _IMPORTED_ELSEWHERE
            if around.partial and local.startswith(around.partial):
                weight = _IMPORTED_NEAR
            weighted.append((weight, use))
        weighted.sort(key=lambda pair: (-pair[0], pair[1].name))
        for weight, use in weighted[:_MAX_IMPORTED]:
            if clock.is_over():
                return
            for definition in self._resolver.resolve(use, origin, limit=1):
                found = self._reader.candidate(
                    definition, weight * (0.4 + 0.6 * definition.import_match), SnippetReason.IMPORTED
                )
                if found is not None:
                    yield found

    def _used(self, around: Surroundings, origin: Origin, clock: _Clock) -> Iterator[Candidate]:
        """Definitions of the other names near the cursor: members, and what is visible without an import."""
        names = [near for near in around.names if near.use.shape.is_member or near.use.name not in origin.imports]
        weighted: list[tuple[float, Definition, SnippetReason]] = []
        for near in names[:_MAX_NAMES]:
            if clock.is_over():
                break
            definitions = self._resolver.resolve(near.use, origin, limit=8)
            for rank, definition in enumerate(definitions[:2]):
                if definition.import_match >= CERTAIN:
                    weight = _IMPORTED_NEAR * (0.45 + 0.55 * near.nearness) * 0.6**rank
                    weighted.append((weight, definition, SnippetReason.IMPORTED))
                else:
                    weight = _definition_weight(near, definition, rank, len(definitions))
                    weighted.append((weight, definition, SnippetReason.DEFINITION))
        # Reading text costs most, so only what has a chance is read.
        weighted.sort(key=lambda item: -item[0])
        for weight, definition, reason in weighted[:_MAX_READ]:
            if weight < WEAK or clock.is_over():
                return
            found = self._reader.candidate(definition, weight, reason)
            if found is not None:
                yield found

    def _start_search(self, around: Surroundings, origin: Origin, memory: _Memory) -> Future[list[Hit]] | None:
        index = self._index
        if index is None or not around.query.strip():
            return None
        with self._lock:
            scope = origin.scope.only(origin.repository, origin.ref) if origin.repository else origin.scope
            question = (around.query, scope, index.generation())
            # The same question needs no second answer, and while one search still runs another makes both late.
            if memory.search is None or (memory.question != question and memory.search.done()):
                memory.search = self._threads.submit(index.search, around.query, scope, _SEARCH_HITS)
                memory.question = question
            return memory.search

    def _finish_search(self, search: Future[list[Hit]] | None, memory: _Memory, clock: _Clock) -> Sequence[Hit]:
        if search is None:
            return ()
        try:
            hits = tuple(search.result(clock.remaining()))
        except TimeoutError:
            clock.stages["search-late"] = 1.0
            return memory.hits
        except Exception:  # noqa: BLE001 - a dispatch boundary: a completion goes on without the search
            _LOG.exception("the search for context failed")
            memory.search = None  # the next key stroke tries again
            return ()
        memory.hits = hits
        return hits

    def _memory(self, session: str, request: CompletionRequest) -> _Memory:
        key = (session, request.repository, request.path)
        with self._lock:
            memory = self._memories.setdefault(key, _Memory())
            self._memories.move_to_end(key)
            if len(self._memories) > _DOCUMENTS_REMEMBERED:
                self._memories.popitem(last=False)
            return memory

    def _still_valid(self, memory: _Memory, origin: Origin) -> tuple[Snippet, ...]:
        """Earlier snippets that may still be shown: same index, readable, not shadowed by an open document."""
        standing = memory.standing
        if self._index is None or standing is None or standing.basis.generation != self._index.generation():
            return ()
        return tuple(snippet for snippet in standing.context.snippets if snippet.commit and _allowed(snippet, origin))


class _Clock:
    """Measures stages and knows the deadline. A deadline of 0 never passes."""

    def __init__(self, deadline_ms: float) -> None:
        self._last = time.perf_counter()
        self._deadline = self._last + deadline_ms / 1000 if deadline_ms else math.inf
        self.stages: dict[str, float] = {}

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.stages[name] = (now - self._last) * 1000
        self._last = now

    def is_endless(self) -> bool:
        return self._deadline == math.inf

    def is_over(self) -> bool:
        return time.perf_counter() > self._deadline

    def remaining(self) -> float | None:
        """Seconds left, None without a deadline."""
        return None if self.is_endless() else max(0.0, self._deadline - time.perf_counter())


def _definition_weight(near: NearName, definition: Definition, rank: int, alternatives: int) -> float:
    """A name with one definition says more than `get` with eight; one in an imported file more than another."""
    specificity = 1.0 / (1.0 + 0.5 * math.log(alternatives)) * 0.6**rank
    trust = min(1.0, max(0.0, definition.score / 4.0))
    return _DEFINITION * near.nearness * specificity * trust


def _from_hits(hits: Sequence[Hit], origin: Origin) -> Iterator[Candidate]:
    best = max((hit.score for hit in hits), default=0.0)
    if best <= 0.0:
        return
    for hit in hits:
        weight = _SEARCH * hit.score / best
        if origin.import_prior(hit.repository, hit.path) >= CERTAIN:
            weight += _SEARCH_IN_IMPORTED_FILE
        reason = SnippetReason.LEXICAL if hit.lexical >= hit.dense else SnippetReason.DENSE
        yield Candidate(
            hit.repository, hit.path, hit.commit, hit.language, hit.start_line, hit.end_line, hit.text, weight, reason,
            f"{hit.scope}.{hit.symbol}" if hit.scope and hit.symbol else hit.symbol,
        )  # fmt: skip


def _allowed(piece: Candidate | Snippet, origin: Origin) -> bool:
    if (piece.repository, piece.path) == (origin.repository, origin.path):
        return False
    if not piece.commit:
        # Text of an open document or a recent edit: it is the user's own.
        return True
    scope: Scope = origin.scope
    readable = scope.repositories is None or piece.repository in scope.repositories
    return readable and (piece.repository, piece.path) not in scope.exclude
