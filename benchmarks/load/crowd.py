"""Many connected editors, of which so many type at a time that the engine is asked as often as wanted."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

from benchmarks.editor import Editor, ServerGone
from benchmarks.latency.engine import RecordedEngine
from benchmarks.latency.measured import Measured
from benchmarks.latency.typist import Habits, Typist
from benchmarks.typing import Session

_ASKED_BY_ONE = 0.6
"""About how often a second the engine is asked for somebody who types: where to begin."""
_ADJUST_S = 5.0
_MOST_CHANGE = 1.25
_MOST_BEYOND = 2.0
"""So many times as many as expected type at most: where the server cannot follow, more of them would ask it no more."""
_BETWEEN_STARTS_S = 0.05


class Crowd:
    """Gives sessions to editors in turn: who has typed one goes behind all others.

    Args:
        editors: All that are connected.
        engine: The engine's record.
        folder: The workspace.
        sessions: What is typed; from the first one again when all were.
        rate: How often a second Hearth should ask the engine.
        speed: 1 is human.
        share_compared: Of so large a share of the answers the engine is asked the same directly.
    """

    def __init__(
        self,
        editors: Sequence[Editor],
        engine: RecordedEngine,
        folder: Path,
        sessions: Sequence[Session],
        *,
        rate: float,
        speed: float,
        share_compared: float,
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._rate = rate
        self._speed = speed
        self._share_compared = share_compared
        self._most = min(float(len(editors)), _MOST_BEYOND * rate / _ASKED_BY_ONE)
        self._waiting = deque(editors)
        self._sessions = itertools.cycle(sessions)
        self._different = len(sessions)
        self._numbers = itertools.count()
        self._open_paths: set[str] = set()
        self._wanted = min(self._most, rate / _ASKED_BY_ONE)
        self.lost: Counter[str] = Counter()
        """Connections that the server closed, by what it said."""

    @property
    def typing(self) -> int:
        """How many type now."""
        return len(self._open_paths)

    async def type(self, seconds: float) -> Measured:
        """Type for so long, let everybody end what they have begun, and return what was observed."""
        measured = Measured(started=time.perf_counter())
        until = measured.started + seconds
        keeping = asyncio.create_task(self._keep_rate())
        try:
            async with asyncio.TaskGroup() as group:
                while time.perf_counter() < until:
                    session = self._next_session() if self.typing < self._wanted and self._waiting else None
                    if session is not None:
                        group.create_task(self._one(self._waiting.popleft(), session, measured))
                    await asyncio.sleep(_BETWEEN_STARTS_S)
        finally:
            keeping.cancel()
        measured.seconds = time.perf_counter() - measured.started
        return measured

    async def _one(self, editor: Editor, session: Session, measured: Measured) -> None:
        number = next(self._numbers)
        measured.typed[number] = session.typed
        habits = Habits(self._speed, random.Random(number), self._share_compared)
        try:
            await Typist(editor, self._engine, measured, habits).type(number, self._folder, session)
        except ServerGone as gone:
            self.lost[str(gone)] += 1
        else:
            self._waiting.append(editor)
        finally:
            self._open_paths.discard(session.path)

    def _next_session(self) -> Session | None:
        """Return a session in a file that nobody has open: the engine tells sessions by what stands before them."""
        for session in itertools.islice(self._sessions, self._different):
            if session.path not in self._open_paths:
                self._open_paths.add(session.path)
                return session
        return None

    async def _keep_rate(self) -> None:
        """Let more of them type, or fewer, until the engine is asked as often as wanted."""
        while True:
            began, asked = time.perf_counter(), await self._engine.asked()
            await asyncio.sleep(_ADJUST_S)
            rate = (await self._engine.asked() - asked) / (time.perf_counter() - began)
            change = self._rate / max(rate, self._rate / _MOST_CHANGE)
            self._wanted = min(self._most, max(1.0, self.typing * max(change, 1 / _MOST_CHANGE)))
