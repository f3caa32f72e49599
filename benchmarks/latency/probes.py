"""Cancels on purpose: typing gives up few requests while the engine writes, too few to tell the slowest of a hundred.

After each session its first suggestion is asked for and given up a few times, in turn by the three things that
editors do: ``$/cancelRequest`` alone, a key that contradicts what is written, and closing the document.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from benchmarks.editor import Editor
from benchmarks.typing import Session

_KINDS = ("cancel", "key", "close") * 2
_CONTRADICTION = "\u00a7"
"""In no source file."""
_BETWEEN_S = 0.25
_LATEST_S = 0.05
_NO_TEXT_S = 2.0


async def probe_cancels(editor: Editor, folder: Path, session: Session, chance: random.Random) -> list[float]:
    """Give up a few requests at the start of ``session`` and return when."""
    uri, line = (folder / session.path).as_uri(), session.before.count("\n")
    given_up: list[float] = []
    for kind in _KINDS:
        editor.open(uri, session.language, session.before + session.after)
        writing = asyncio.Event()

        def on_part(_: float, __: object, writing: asyncio.Event = writing) -> None:
            writing.set()

        asking = asyncio.create_task(editor.complete(uri, line, 0, automatic=False, on_part=on_part))
        waiting = asyncio.create_task(writing.wait())
        await asyncio.wait({asking, waiting}, timeout=_NO_TEXT_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await asyncio.sleep(chance.uniform(0.0, _LATEST_S))
        given_up.append(time.perf_counter())
        if kind == "key":
            editor.insert(uri, line, 0, _CONTRADICTION)
        elif kind == "close":
            editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        else:
            asking.cancel()
        await asyncio.wait({asking}, timeout=_NO_TEXT_S)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(_BETWEEN_S)
        if kind != "close":
            editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    return given_up
