"""What is remembered of each suggestion: enough to say why it was made, and what became of it."""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import Counter

from server.completion import metrics
from server.context import Dropped
from server.correlation import new_request_id
from server.engine.metrics import caller_labels, model_label
from server.types import Caller, Snippet

MAX_RECORDS = 128
"""Of one editor. Each key that asks leaves one, and what is told or asked of a suggestion comes within seconds."""


class Outcome(enum.StrEnum):
    """How the making of a suggestion ended."""

    RUNNING = "running"
    SUGGESTED = "suggested"
    EMPTY = "empty"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Reuse(enum.StrEnum):
    """Whether a suggestion came without asking an engine again."""

    NONE = ""
    RECYCLED = "recycled"
    CACHED = "cached"


@dataclass(slots=True)
class Making:
    """How a text was made; several suggestions may be parts of one text.

    ``request_id`` is that of the request which began it, and what the model server's log calls it. ``stages`` holds
    milliseconds.
    """

    request_id: str = ""
    engine: str = ""
    model: str = ""
    source: str = ""
    confidence: float = -1.0
    snippets: tuple[Snippet, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    tokens_per_character: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class SuggestionRecord:
    """One suggestion.

    Its id is that of the editor's request. ``stages`` holds milliseconds of this suggestion alone. Its text is kept in
    memory, to count what is taken of it; it is never written anywhere. ``lead`` is what the editor shows before the
    text as a part of it.
    """

    id: str = field(default_factory=new_request_id)
    caller: Caller = field(default_factory=Caller)
    making: Making = field(default_factory=Making)
    reuse: Reuse = Reuse.NONE
    outcome: Outcome = Outcome.RUNNING
    stages: dict[str, float] = field(default_factory=dict)
    text: str = ""
    lead: str = ""
    shown: bool = False
    accepted_characters: int = 0
    rejected: bool = False

    @property
    def engine(self) -> str:
        """Which engine wrote it."""
        return self.making.engine

    @property
    def labels(self) -> tuple[str, ...]:
        """Engine, model, editor and team, as metrics name them."""
        return self.engine, model_label(self.making.model or self.engine), *caller_labels(self.caller)

    @property
    def characters(self) -> int:
        """Length of the text."""
        return len(self.text)

    def end(self, outcome: Outcome) -> None:
        """Note how its making ended: its text is now what it is."""
        self.outcome = outcome
        if self.shown:
            self.count_tokens(metrics.SHOWN_TOKENS, self.characters)

    def count_tokens(self, counter: Counter, characters: int) -> None:
        """Count some of its text in tokens, as many as the whole text it is a part of took for as many characters."""
        if self.making.tokens_per_character:
            counter.labels(*self.labels).inc(characters * self.making.tokens_per_character)


Taken = Callable[[SuggestionRecord, int, int], None]


class SuggestionRecords:
    """The latest suggestions, and what editors report about them. Unknown ids are ignored: editors may be late.

    Args:
        limit: How many are kept.
        taken: Told of each suggestion of which something was taken, from which of its characters to which.
    """

    def __init__(self, limit: int = MAX_RECORDS, taken: Taken = lambda _record, _begin, _end: None) -> None:
        self._limit = limit
        self._taken = taken
        self._records: OrderedDict[str, SuggestionRecord] = OrderedDict()

    def add(self, record: SuggestionRecord) -> None:
        """Remember a suggestion, and forget the oldest beyond the limit."""
        self._records[record.id] = record
        while len(self._records) > self._limit:
            self._records.popitem(last=False)

    def get(self, identifier: str) -> SuggestionRecord | None:
        """Return what is known of a suggestion, or ``None`` when it was forgotten."""
        return self._records.get(identifier)

    def note_shown(self, identifier: str, seconds: float | None = None) -> None:
        """An editor has drawn it, the first of it ``seconds`` after it had asked, if it says so."""
        record = self.get(identifier)
        if record is not None and not record.shown:
            record.shown = True
            if seconds is not None:
                metrics.SHOWN_SECONDS.labels(record.engine).observe(seconds)
            metrics.SHOWN.labels(*record.labels).inc()
            if record.outcome is not Outcome.RUNNING:
                record.count_tokens(metrics.SHOWN_TOKENS, record.characters)

    def note_accepted(self, identifier: str) -> None:
        """The user took all of it. Editors may report this twice (notification and command); it counts once."""
        record = self.get(identifier)
        if record is not None and record.accepted_characters < record.characters:
            metrics.ACCEPTED.labels(*record.labels, "whole").inc()
            self._accept(record, record.characters)

    def note_partially_accepted(self, identifier: str, characters: int) -> None:
        """The user took the first ``characters`` of it so far."""
        record = self.get(identifier)
        if record is not None and record.accepted_characters < min(characters, record.characters):
            if record.accepted_characters == 0:
                metrics.ACCEPTED.labels(*record.labels, "part").inc()
            self._accept(record, min(characters, record.characters))

    def note_rejected(self, identifier: str) -> None:
        """The user turned it down."""
        record = self.get(identifier)
        if record is not None and not record.rejected and record.accepted_characters == 0:
            record.rejected = True
            metrics.REJECTED.labels(*record.labels).inc()

    def _accept(self, record: SuggestionRecord, characters: int) -> None:
        more = characters - record.accepted_characters
        metrics.ACCEPTED_CHARACTERS.labels(*record.labels).inc(more)
        record.count_tokens(metrics.ACCEPTED_TOKENS, more)
        before, record.accepted_characters = record.accepted_characters, characters
        self._taken(record, before, characters)
