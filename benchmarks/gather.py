"""What does a key stroke wait for its context, and what does it cost?

``python -m benchmarks.gather --repo PATH --data DIR [--sessions N] [--at-once N]``. Additions from the repository's
history are typed with human timing; at every key the context is asked for as completions do, and the time until it is
there is measured. ``--data`` is an index that exists already; every repository in it may be read.

Beside the wait: processor time of the whole process a key, how long the event loop was held up (``lag``), and how much
of the text of the snippets stands where the key before had it, counted from the front: what a prefix cache can use.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.report import environment, summary, write
from benchmarks.typing import Session, clone, history_base, sessions
from indexer.api import Index, detect_language
from indexer.types import Scope
from server.completion.gathering import Gathering
from server.config import ContextConfig
from server.context import ContextGatherer
from server.types import CompletionRequest, Snippet

_COMMITS = 150
_LAG_SECONDS = 0.005
_ARRIVALS_SECONDS = 10.0
_SWITCH_SECONDS = 0.001


@dataclass(slots=True)
class Measured:
    """Samples of all sessions; times in seconds, characters of snippets."""

    waits: list[float] = field(default_factory=list)
    first_waits: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    kept_characters: int = 0
    characters: int = 0
    changes: int = 0


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gather", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repo", type=Path, required=True, help="the git repository whose history is typed")
    parser.add_argument("--data", type=Path, required=True, help="a directory with an index of it, and of others")
    parser.add_argument("--sessions", type=int, default=40, help="how many additions are typed (default 40)")
    parser.add_argument("--at-once", type=int, default=1, help="how many of them at the same time (default 1)")
    parser.add_argument("--keys", type=int, default=80, help="most keys of one addition (default 80)")
    parser.add_argument("--interval-ms", type=float, default=140.0, help="median time between two keys (default 140)")
    parser.add_argument("--pad-lines", type=int, default=0, help="lengthen each document by so many lines (default 0)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    arguments = parser.parse_args()
    # As `hearth lsp` and `hearth serve` do, so that threads hold up the event loop no longer than theirs.
    sys.setswitchinterval(_SWITCH_SECONDS)
    with Index.open(arguments.data) as index, tempfile.TemporaryDirectory() as scratch:
        located = index.locate(arguments.repo / "x")
        names = [status.name for status in index.repositories() if Path(status.source) == arguments.repo.resolve()]
        name = names[0] if names else located[0] if located else ""
        if not name:
            Console(stderr=True).print(f"{arguments.data} has no index of {arguments.repo}")
            return 1
        copy = clone(arguments.repo, Path(scratch))
        found = sessions(
            copy, history_base(copy, _COMMITS), arguments.seed, median_delay_s=arguments.interval_ms / 1000
        )
        typed = list(itertools.islice(found, arguments.sessions))
        chunks = sum(ref.chunks for status in index.repositories() for ref in status.refs)
        measured, seconds, processor = asyncio.run(_measure(index, name, typed, arguments))
    keys = len(measured.waits)
    values = {
        **environment(),
        "repository": name,
        "chunks": chunks,
        "sessions": len(typed),
        "at_once": arguments.at_once,
        "pad_lines": arguments.pad_lines,
        "seed": arguments.seed,
        "keys": keys,
        "keys_per_second": round(keys / seconds, 1),
        "cpu_ms_per_key": round(processor / keys * 1000, 3),
        "snippet_changes_per_key": round(measured.changes / keys, 4),
        "snippet_front_kept": round(measured.kept_characters / max(1, measured.characters), 4),
        **summary("wait", measured.waits),
        **summary("first_wait", measured.first_waits),
        **summary("lag", measured.lags),
        "max_lag_ms": round(max(measured.lags, default=0.0) * 1000, 3),
    }
    _show(Console(), values)
    Console(stderr=True).print(f"written to {write('gather', values, arguments.output)}")
    return 0


async def _measure(
    index: Index, repository: str, typed: Sequence[Session], arguments: argparse.Namespace
) -> tuple[Measured, float, float]:
    config = ContextConfig()
    gatherer = ContextGatherer(index, config)
    gathering = Gathering(gatherer, config)
    typist = _Typist(gathering, repository, arguments)
    measured = typist.measured
    waiting = iter(enumerate(typed))

    async def one_after_another(place: int) -> None:
        # Nobody opens a hundred documents at one instant.
        await asyncio.sleep(_ARRIVALS_SECONDS * place / arguments.at_once)
        for number, session in waiting:
            await typist.type(session, number)

    watch = asyncio.create_task(_watch(measured))
    started, before = time.perf_counter(), time.process_time()
    try:
        await asyncio.gather(*(one_after_another(place) for place in range(arguments.at_once)))
        return measured, time.perf_counter() - started, time.process_time() - before
    finally:
        watch.cancel()
        gathering.close()
        await asyncio.to_thread(gatherer.close)


class _Typist:
    """Types additions and asks for context at every key."""

    def __init__(self, gathering: Gathering, repository: str, arguments: argparse.Namespace) -> None:
        self._gathering = gathering
        self._repository = repository
        self._most_keys = arguments.keys
        self._padding = "\n" + "pad = None\n" * arguments.pad_lines if arguments.pad_lines else ""
        self.measured = Measured()

    async def type(self, session: Session, number: int) -> None:
        """Type one addition; ``number`` tells it from the others."""
        measured = self.measured
        scope = Scope(exclude=frozenset({(self._repository, session.path)}))
        before = ""
        for position, delay in enumerate(session.delays[: self._most_keys]):
            await asyncio.sleep(delay)
            request = CompletionRequest(
                path=session.path,
                language=detect_language(session.path),
                prefix=session.before + session.typed[: position + 1],
                suffix=session.after + self._padding,
                repository=self._repository,
                scope=scope,
            )
            asked = time.perf_counter()
            context = await self._gathering.gather(request, (), str(number))
            (measured.waits if position else measured.first_waits).append(time.perf_counter() - asked)
            text = _text(context.snippets)
            if position:
                measured.characters += len(text)
                measured.kept_characters += _common(before, text)
                measured.changes += text != before
            before = text


def _common(before: str, now: str) -> int:
    """Return how many characters both have in common from the front on."""
    pairs = zip(before, now, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(before), len(now)))


def _text(snippets: Sequence[Snippet]) -> str:
    return "".join(f"{snippet.path}\n{snippet.text}\n" for snippet in snippets)


async def _watch(measured: Measured) -> None:
    """Note how much later than asked for the event loop comes back."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(_LAG_SECONDS)
        measured.lags.append(max(0.0, time.perf_counter() - asked - _LAG_SECONDS))


def _show(console: Console, values: dict[str, object]) -> None:
    table = Table(title=f"{values['repository']}: {values['keys']} keys, index of {values['chunks']} chunks")
    for column in ("", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(column, justify="right" if column else "left")
    for name, title in (
        ("wait", "a key waits"),
        ("first_wait", "a document's first key"),
        ("lag", "event loop held up"),
    ):
        table.add_row(title, *(f"{values.get(f'p{share}_{name}_ms', 0.0):.2f}" for share in (50, 95, 99)))
    console.print(table)
    changes, kept = values["snippet_changes_per_key"], values["snippet_front_kept"]
    console.print(
        f"processor time a key {values['cpu_ms_per_key']} ms, snippets changed at {changes:.1%} of keys, "
        f"{kept:.1%} of their text kept its place"
    )


if __name__ == "__main__":
    sys.exit(main())
