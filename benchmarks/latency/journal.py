"""What the engine's side writes down: each request, whose it was, when each part went out, and how it ended.

All times are of ``time.perf_counter``, which processes of one machine share where it is Linux's monotonic clock.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

HEARTH = "hearth"
RAW = "raw"
FINISHED = "finished"
ABORTED = "aborted"
FAILED = "failed"

_ANCHOR = 300
_LEAST_ANCHOR = 24


@dataclass(slots=True)
class Entry:
    """One request to the engine.

    Attributes:
        number: Counts up from 0.
        origin: ``"hearth"``, or ``"raw"`` for a prompt that the benchmark itself asks again.
        session: The typing session whose cursor the prompt is about; -1 when none is recognised.
        position: How many characters of the session's text were typed then.
        arrived: When the request was read.
        parts: When each piece of text was sent, and the piece.
        ended: When the answer, or the connection, ended; 0 while it goes on.
        outcome: ``"finished"``, ``"aborted"`` by the client's closing the connection, or ``"failed"``.
        tokens: Tokens generated.
        prompt_tokens: Tokens of the prompt; 0 when the engine did not say.
        cached_tokens: Those of them that were in the prefix cache; -1 when the engine did not say.
    """

    number: int
    origin: str
    session: int
    position: int
    arrived: float
    parts: list[tuple[float, str]] = field(default_factory=list)
    ended: float = 0.0
    outcome: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = -1

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Entry:
        """Read what :meth:`to_json` wrote."""
        return cls(**{**value, "parts": [(float(at), str(text)) for at, text in value["parts"]]})

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Truth:
    """What one typing session is about to type: the text before it, and what its developer added."""

    session: int
    before: str
    typed: str

    @property
    def recognisable(self) -> bool:
        """Whether a prompt can be told to be about it."""
        return len(self.before) >= _LEAST_ANCHOR

    def position_in(self, prompt: str) -> int | None:
        """Return how much of the text was typed when ``prompt`` was written; ``None`` when it is about something else.

        The prompt's format does not matter: the end of the text before is looked for, and what stands behind it is
        compared with the text.
        """
        anchor = self.before[-_ANCHOR:]
        found = prompt.rfind(anchor)
        if found < 0:
            return None
        behind = prompt[found + len(anchor) : found + len(anchor) + len(self.typed)]
        same = (one == other for one, other in zip(behind, self.typed, strict=False))
        return sum(itertools.takewhile(bool, same))


class Journal:
    """Keeps the entries, the prompts of those that are still to be asked again, and what is being typed.

    Args:
        decode: Turns token ids into text, for engines that are sent ids.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._truths: dict[int, Truth] = {}
        self._payloads: dict[tuple[int, int], dict[str, Any]] = {}
        self.entries: list[Entry] = []

    def begin(self, truth: Truth) -> None:
        """A session begins."""
        self._truths[truth.session] = truth

    def end(self, session: int) -> None:
        """A session has ended."""
        self._truths.pop(session, None)
        for key in [key for key in self._payloads if key[0] == session]:
            del self._payloads[key]

    def truth(self, session: int) -> Truth | None:
        """Return what a session types, while it lasts."""
        return self._truths.get(session)

    def add(self, payload: dict[str, Any], origin: str, arrived: float) -> Entry:
        """Note a request."""
        session, position = self._recognise(self.text_of(payload))
        entry = Entry(len(self.entries), origin, session, position, arrived)
        self.entries.append(entry)
        if origin == HEARTH and session >= 0:
            self._payloads[session, position] = payload
        return entry

    def payload(self, session: int, position: int) -> dict[str, Any] | None:
        """Return what Hearth sent last for a place."""
        return self._payloads.get((session, position))

    def text_of(self, payload: dict[str, Any]) -> str:
        """Return the prompt as text."""
        prompt = payload.get("prompt", "")
        return prompt if isinstance(prompt, str) else self._decode(prompt)

    def lines(self, since: int) -> Iterator[str]:
        """Yield the entries from number ``since`` on as lines of JSON."""
        for entry in self.entries[since:]:
            yield json.dumps(entry.to_json()) + "\n"

    def _recognise(self, prompt: str) -> tuple[int, int]:
        for truth in self._truths.values():
            position = truth.position_in(prompt)
            if position is not None:
                return truth.session, position
        return -1, 0
