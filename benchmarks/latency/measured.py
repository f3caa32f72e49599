"""What was observed in the editor while somebody typed. Times are those of ``time.perf_counter``."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.latency.engine import RawAnswer


@dataclass(slots=True)
class Asked:
    """One request of the editor.

    Attributes:
        session: The typing session.
        position: How many characters of the session's text were typed.
        sent: When the request was sent.
        arrivals: When text came that differs from the text before it.
        ended: When the whole answer came; 0 when none did.
        outcome: ``"answered"``, ``"silent"`` (an empty answer), ``"cancelled"`` or ``"failed"``.
        text: The text on the screen at the end.
        id: The suggestion's id.
        engine: Who wrote it.
        reuse: ``""`` when an engine was asked for this request; otherwise how Hearth did without.
        stages: Hearth's own times of its stages, in milliseconds.
    """

    session: int
    position: int
    sent: float
    arrivals: list[float] = field(default_factory=list)
    ended: float = 0.0
    outcome: str = ""
    text: str = ""
    id: str = ""
    engine: str = ""
    reuse: str = ""
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def first(self) -> float:
        """When the first text came; 0 when none did."""
        return self.arrivals[0] if self.arrivals else 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that may make a request irrelevant: ``position`` is where the cursor is after it.

    The same position as before means that the user took the request back; -1, that the document was closed.
    """

    session: int
    position: int
    at: float


@dataclass(slots=True)
class Measured:
    """All of one replay, on one path and for one seed.

    Attributes:
        asked: In the order of sending.
        raw: Hearth's prompts as asked directly.
        events: In order.
        typed: What each session types.
        probes: When each session of probes, which types nothing, gave up a request.
        keys: Keys pressed, counting each acceptance as one.
        characters: Characters that came into the text.
        saved: Keys that acceptances saved.
        shown: Suggestions that stood on the screen for 750 ms.
        accepted: Suggestions taken.
        started: When it began.
        seconds: How long it took.
    """

    asked: list[Asked] = field(default_factory=list)
    raw: list[RawAnswer] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    typed: dict[int, str] = field(default_factory=dict)
    probes: dict[int, list[float]] = field(default_factory=dict)
    keys: int = 0
    characters: int = 0
    saved: int = 0
    shown: int = 0
    accepted: int = 0
    started: float = 0.0
    seconds: float = 0.0
