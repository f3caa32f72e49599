"""Replays typing sessions through one running Hearth, several at once."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.editor import Editor
from benchmarks.latency.engine import RecordedEngine
from benchmarks.latency.hearth import RunningHearth
from benchmarks.latency.journal import Truth
from benchmarks.latency.measured import Measured
from benchmarks.latency.probes import probe_cancels
from benchmarks.latency.typist import Habits, Typist
from benchmarks.typing import Session


class Replay:
    """Gives each typist one session after the other until enough keys were typed.

    Args:
        hearth: Where it is typed.
        engine: The engine's record; ``None`` for the embedded engine.
        folder: The workspace.
        numbers: Numbers of sessions, which no two replays of one run share.
    """

    def __init__(
        self, hearth: RunningHearth, engine: RecordedEngine | None, folder: Path, numbers: itertools.count[int]
    ) -> None:
        self._hearth = hearth
        self._engine = engine
        self._folder = folder
        self._numbers = numbers
        self.excluded: Counter[str] = Counter()
        """Sessions that cannot be replayed, by reason."""

    async def run(
        self,
        sessions: Iterator[Session],
        *,
        typists: int,
        keys: int,
        seed: int,
        speed: float,
        on_key: Callable[[int], None] = lambda _: None,
    ) -> Measured:
        """Type ``keys`` characters in all, with so many typists at once, and return what was observed."""
        measured = Measured(started=time.perf_counter())
        open_paths: set[str] = set()
        waiting = self._usable(sessions)

        async def work(index: int) -> None:
            chance = random.Random(f"{seed}/{index}")
            editor = self._hearth.editors[index % len(self._hearth.editors)]
            # Nobody begins at the same moment as all others.
            await asyncio.sleep(chance.uniform(0.0, 1.0) * (typists > 1))
            while measured.characters < keys:
                session = next((item for item in waiting if item.path not in open_paths), None)
                if session is None:
                    return
                number = next(self._numbers)
                open_paths.add(session.path)
                measured.typed[number] = session.typed
                typist = Typist(editor, self._engine, measured, Habits(speed, chance))
                await typist.type(number, self._folder, session)
                # Afterwards, so that the engine has seen no file before it is typed in.
                if self._engine is not None:
                    await self._probe(editor, self._engine, session, measured, chance)
                open_paths.discard(session.path)
                on_key(measured.characters)

        async with asyncio.TaskGroup() as group:
            for index in range(typists):
                group.create_task(work(index))
        measured.seconds = time.perf_counter() - measured.started
        return measured

    async def _probe(
        self, editor: Editor, engine: RecordedEngine, session: Session, measured: Measured, chance: random.Random
    ) -> None:
        number = next(self._numbers)
        await engine.begin(Truth(number, session.before, session.typed))
        measured.probes[number] = await probe_cancels(editor, self._folder, session, chance)
        await engine.end(number)

    def _usable(self, sessions: Iterator[Session]) -> Iterator[Session]:
        for session in sessions:
            if "\r" in session.before + session.typed:
                self.excluded["sessions in files with CR LF"] += 1
            elif not Truth(0, session.before, session.typed).recognisable:
                self.excluded["sessions at the start of a file"] += 1
            else:
                yield session
