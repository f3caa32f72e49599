"""What became of the requests at the engine: which were given up, how quickly, and which tokens nobody ever saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from benchmarks.latency.journal import ABORTED, Entry
from benchmarks.latency.measured import Asked, Event, Measured

TYPED_AHEAD = 4
"""So many characters may be typed before a request's first word is known, without making it irrelevant."""
TAKEN_UP_S = 0.01
"""A key that follows so soon takes up what was just taken back: Hearth's grace for this, and the way to it."""


def cancel_seconds(entries: Sequence[Entry], measured: Measured) -> list[float]:
    """Return the time from what made each aborted request irrelevant to its connection's end at the engine.

    A request becomes irrelevant when the user has taken it back, has closed the document, or has typed something else
    than what it says: the later of the key and the token that disagree. Connections that Hearth closes earlier, because
    it has all that it wants, are not cancels.
    """
    events = _by_session(measured.events)
    times = []
    for entry in entries:
        if entry.outcome != ABORTED:
            continue
        given_up = [at for at in measured.probes.get(entry.session, ()) if entry.arrived <= at <= entry.ended]
        if given_up:
            times.append(entry.ended - given_up[-1])
        if entry.session not in measured.typed:
            continue
        at = irrelevant_at(entry, events[entry.session], measured.typed[entry.session])
        if at is not None and at <= entry.ended:
            times.append(entry.ended - at)
    return times


def irrelevant_at(entry: Entry, events: Sequence[Event], typed: str) -> float | None:
    """Return when a request became irrelevant, ``None`` when it never did. ``events`` are those of its session."""
    written, position = "", entry.position
    for at, text, event in _history(entry, events):
        if event is None:
            written += text
        elif event.position <= position:
            if not _taken_up(event, position, events):
                return at
        else:
            position = event.position
        ahead = typed[entry.position : position]
        if written[: len(ahead)] != ahead[: len(written)] or (not written.strip() and len(ahead) > TYPED_AHEAD):
            return at
    return None


def _taken_up(taken_back: Event, position: int, events: Sequence[Event]) -> bool:
    soon = taken_back.at + TAKEN_UP_S
    return taken_back.position == position and any(
        event.position > position and taken_back.at <= event.at <= soon for event in events
    )


def wasted(entries: Sequence[Entry], measured: Measured) -> list[bool]:
    """Tell for each request whether its text never was in a whole answer, for itself or for a later key."""
    answers: dict[int, list[Asked]] = defaultdict(list)
    for asked in measured.asked:
        if asked.outcome == "answered":
            answers[asked.session].append(asked)
    return [
        not any(_is_from(asked, entry, measured.typed.get(entry.session, "")) for asked in answers[entry.session])
        for entry in entries
    ]


def _is_from(asked: Asked, entry: Entry, typed: str) -> bool:
    if asked.position < entry.position or asked.ended < entry.arrived:
        return False
    shown = (typed[entry.position : asked.position] + asked.text).strip()
    # A suggestion may have lost its end, or gained a bracket there.
    return bool(shown) and "".join(text for _, text in entry.parts).lstrip().startswith(shown[:-1] or shown)


def _history(entry: Entry, events: Sequence[Event]) -> Iterator[tuple[float, str, Event | None]]:
    """Yield the request's tokens and what the user did since it arrived, in the order in which they happened."""
    parts: list[tuple[float, str, Event | None]] = [(at, text, None) for at, text in entry.parts]
    parts += [(event.at, "", event) for event in events if event.at > entry.arrived]
    yield from sorted(parts, key=lambda item: item[0])


def _by_session(events: Sequence[Event]) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        found[event.session].append(event)
    return found
