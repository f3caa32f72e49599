"""Somebody who types what a developer once added, sees suggestions, and takes those that are worth a key.

The user looks at a suggestion for as long as people take to read one (log-normal around 0.4 s, from when its text has
last grown); typing along does not take it off the screen. Where it then is, in whole, what they are about to type, and
saves two keys or more, they take it for one key instead of typing on. They take nothing that is wrong in part.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.editor import Editor, ServerAnsweredError, Streamed
from benchmarks.latency.engine import RecordedEngine
from benchmarks.latency.journal import Truth
from benchmarks.latency.measured import Asked, Event, Measured
from benchmarks.typing import Session

_REQUEST_CANCELLED = -32800
_CONTENT_MODIFIED = -32801
_READING_S = 0.4
_READING_SPREAD = 0.3
_LEAST_SAVED = 2
_SHOWN_S = 0.75
_DISMISSED = 0.06
_DISMISSED_AFTER_S = 0.12


@dataclass(slots=True)
class _Visible:
    """What is on the screen: ``until`` is all of the session's text with the suggestion, ``since`` its last growth."""

    id: str
    until: str
    since: float
    reading_s: float
    told: bool = False


@dataclass(slots=True)
class _Pending:
    asked: Asked
    answer: asyncio.Task[Streamed]
    followed: bool = False


@dataclass(frozen=True, slots=True)
class Habits:
    """How the user types: ``speed`` 1 is human, 2 twice as fast; every other number comes from ``chance``.

    Of so large a share of the answers it is asked what they came from, and the engine is asked the same.
    """

    speed: float
    chance: random.Random = field(repr=False)
    share_compared: float = 1.0


class Typist:
    """Types one session.

    Args:
        editor: Where.
        engine: Asked again what Hearth asked, after each answer; ``None`` for an engine that is part of Hearth.
        measured: Takes in what is observed.
        habits: How.
    """

    def __init__(self, editor: Editor, engine: RecordedEngine | None, measured: Measured, habits: Habits) -> None:
        self._editor = editor
        self._engine = engine
        self._measured = measured
        self._habits = habits
        self._visible: _Visible | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def type(self, number: int, folder: Path, session: Session) -> None:
        """Open the file, type, and close it. ``number`` tells sessions apart at the engine."""
        typed, uri = session.typed, (folder / session.path).as_uri()
        if self._engine is not None:
            await self._engine.begin(Truth(number, session.before, typed))
        self._editor.open(uri, session.language, session.before + session.after)
        first_line = session.before.count("\n")
        position = 0
        pending: _Pending | None = None
        due = time.perf_counter()
        while position < len(typed):
            due = max(due, time.perf_counter() - 1.0) + session.delays[position] / self._habits.speed
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            inserted = self._take(typed, position) or typed[position]
            if pending is not None:
                self._overtake(pending)
            line, character = _place(typed[:position], first_line)
            self._measured.events.append(Event(number, position + len(inserted), time.perf_counter()))
            self._editor.insert(uri, line, character, inserted)
            position += len(inserted)
            self._measured.keys += 1
            self._measured.characters += len(inserted)
            if self._visible is not None and not self._fits(typed[:position]):
                self._visible = None
            pending = self._ask(number, uri, typed, position, first_line)
        if pending is not None:
            await asyncio.wait({pending.answer}, timeout=5)
            self._overtake(pending)
        self._measured.events.append(Event(number, -1, time.perf_counter()))
        self._editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        await asyncio.gather(*self._tasks)
        if self._engine is not None:
            await self._engine.end(number)

    def _ask(self, number: int, uri: str, typed: str, position: int, first_line: int) -> _Pending:
        asked = Asked(number, position, time.perf_counter())
        self._measured.asked.append(asked)

        def on_part(_: float, value: Any) -> None:
            self._show(asked, typed, value)

        line, character = _place(typed[:position], first_line)
        answer = asyncio.create_task(self._editor.complete(uri, line, character, on_part=on_part))
        pending = _Pending(asked, answer)
        self._start(self._settle(pending, typed))
        if self._habits.chance.random() < _DISMISSED:
            self._start(self._dismiss(pending, self._habits.chance.uniform(0.0, _DISMISSED_AFTER_S)))
        return pending

    async def _settle(self, pending: _Pending, typed: str) -> None:
        """Take in the answer, ask what it came from, and ask the engine the same."""
        asked = pending.asked
        try:
            answer = await pending.answer
        except asyncio.CancelledError:
            if not pending.answer.cancelled():
                raise
            asked.outcome = "cancelled"
        except ServerAnsweredError as error:
            superseded = error.code in {_REQUEST_CANCELLED, _CONTENT_MODIFIED}
            asked.outcome = "cancelled" if superseded else "failed"
        else:
            asked.ended = asked.sent + answer.seconds
            self._show(asked, typed, answer.result or {}, at=asked.ended)
            asked.outcome = "answered" if asked.text else "silent"
        share = self._habits.share_compared
        if share < 1.0 and self._habits.chance.random() >= share:
            return
        if asked.id:
            why = await self._editor.request("hearth/why", {"id": asked.id}) or {}
            asked.stages, asked.reuse = why.get("stages", {}), why.get("reuse", "")
            asked.engine = why.get("engine", "")
        if self._engine is not None and asked.first and not asked.reuse:
            raw = await self._engine.ask_again(asked.session, asked.position)
            if raw is not None:
                self._measured.raw.append(raw)

    async def _dismiss(self, pending: _Pending, seconds: float) -> None:
        """Take a request back without a key, as Escape does."""
        await asyncio.sleep(seconds)
        if not pending.answer.done():
            self._measured.events.append(Event(pending.asked.session, pending.asked.position, time.perf_counter()))
            pending.answer.cancel()
            self._visible = None

    def _overtake(self, pending: _Pending) -> None:
        if not pending.answer.done():
            pending.answer.cancel()

    def _show(self, asked: Asked, typed: str, value: dict[str, Any], at: float = 0.0) -> None:
        """Put a part of a suggestion on the screen, unless the user has typed on."""
        items = value.get("items") or []
        if not items:
            return
        now = at or time.perf_counter()
        text = str(items[0]["insertText"])
        asked.id = str(items[0]["command"]["arguments"][0])
        if text != asked.text:
            asked.arrivals.append(now)
            asked.text = text
        until = typed[: asked.position] + text
        if self._visible is None or self._visible.until != until:
            reading = self._habits.chance.lognormvariate(0.0, _READING_SPREAD) * _READING_S
            self._visible = _Visible(asked.id, until, now, reading)

    def _take(self, typed: str, position: int) -> str:
        """Return the text that the user takes instead of typing the next key; empty when there is none."""
        visible = self._visible
        if visible is None or len(visible.until) < position:
            return ""
        waited = time.perf_counter() - visible.since
        if waited >= _SHOWN_S and not visible.told:
            visible.told = True
            self._editor.notify("hearth/didShowCompletion", {"id": visible.id})
            self._measured.shown += 1
        text = visible.until[position:]
        if not typed.startswith(visible.until) or len(text) <= _LEAST_SAVED or waited < visible.reading_s:
            return ""
        self._editor.notify("hearth/didAcceptCompletion", {"id": visible.id})
        self._measured.accepted += 1
        self._measured.saved += len(text) - 1
        self._visible = None
        return text

    def _fits(self, text: str) -> bool:
        visible = self._visible
        return visible is not None and visible.until.startswith(text) and len(visible.until) > len(text)

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _place(typed: str, first_line: int) -> tuple[int, int]:
    """Return line and UTF-16 character of the end of ``typed``."""
    last = typed.rpartition("\n")[2]
    return first_line + typed.count("\n"), len(last.encode("utf-16-le")) // 2
