"""A team server under load: hundreds of editors, a steady rate of completions, and a push of thousands of files.

``python -m benchmarks.load``. The editors run in this process, the server and an engine with fixed latencies in others,
all on the loopback. Every editor has a user and a token of its own. So many type at a time that Hearth asks the engine
as often as ``--rate`` says. ``docs/benchmarks.md`` says what the figures mean.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.latency.engine import RecordedEngine, recorded_engine
from benchmarks.latency.hearth import HEARTH, SERVE, RunningHearth, running_hearth
from benchmarks.latency.journal import Truth
from benchmarks.latency.measured import Measured
from benchmarks.latency.timed import MODEL
from benchmarks.latency.tokenizer import train_tokenizer
from benchmarks.load.crowd import Crowd
from benchmarks.load.results import Part, figures_of, print_result
from benchmarks.load.team import add_team
from benchmarks.load.watching import Watched, memory_figures
from benchmarks.pushing import PushedRepository
from benchmarks.report import environment, write
from benchmarks.typing import Session, clone, history_base, sessions

_WARM_UP_SHARE = 0.2
_MOST_WARM_UP_S = 60.0
_LOOK_S = 0.25
_MOST_SESSIONS = 2000
_INDEXED_S = 600.0


@dataclass(frozen=True, slots=True)
class _Place:
    """What the run works with: where it is typed and what, the data directory, and what is pushed to."""

    folder: Path
    base: str
    typed: list[Session]
    data: Path
    scratch: Path
    pushed: PushedRepository | None


def main() -> int:
    """Run the benchmark and return its exit status: 1 when anything failed."""
    options = _parser().parse_args()
    console = Console(stderr=options.json)
    with tempfile.TemporaryDirectory(prefix="hearth-load-") as scratch:
        result = asyncio.run(_measure(options, _prepare(options, Path(scratch))))
    path = write("load", result, options.output)
    if options.json:
        print(json.dumps(result))
    else:
        print_result(console, result, path)
    return int(bool(result["errors"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=(__doc__ or "").splitlines()[0])
    own = Path(__file__).resolve().parents[2]
    load = parser.add_argument_group("the load")
    load.add_argument("--editors", type=int, default=300, help="how many are connected [default: 300]")
    load.add_argument("--rate", type=float, default=60.0, help="requests to the engine a second [default: 60]")
    load.add_argument("--minutes", type=float, default=15.0, help="how long it is typed [default: 15]")
    load.add_argument(
        "--reindex", type=int, nargs="?", const=2000, default=0, metavar="FILES", help="push so many files"
    )
    load.add_argument("--compared", type=float, default=0.15, help="share asked directly as well [default: 0.15]")
    load.add_argument("--speed", type=float, default=1.0, help="typing speed; 1 is human, 2 twice as fast")
    typing = parser.add_argument_group("what is typed")
    typing.add_argument("--repo", type=Path, default=own, help="a git work tree or bare repository")
    typing.add_argument("--commits", type=int, default=300, help="how far back the index is made [default: 300]")
    typing.add_argument("--data", type=Path, help="an index to begin with, which is copied; the repository is added")
    engine = parser.add_argument_group("the engine")
    engine.add_argument("--first-ms", type=float, default=30.0, help="its time to the first token [default: 30]")
    engine.add_argument("--token-ms", type=float, default=10.0, help="its time from token to token [default: 10]")
    engine.add_argument("--wrong", type=float, default=0.2, help="share of its tokens that are wrong [default: 0.2]")
    output = parser.add_argument_group("results")
    output.add_argument("--output", type=Path, help="file for the JSON [default: benchmarks/results/load-DATE.json]")
    output.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    return parser


def _prepare(options: argparse.Namespace, scratch: Path) -> _Place:
    folder = clone(options.repo.resolve(), scratch)
    base = history_base(folder, options.commits)
    # All at once and before anything counts: they are read from git, which would hold every typist up.
    found = (item for item in sessions(folder, base, seed=1) if _replayable(item))
    typed = list(itertools.islice(found, _MOST_SESSIONS))
    data = scratch / "data"
    if options.data is not None:
        shutil.copytree(options.data, data)
    command = [HEARTH, "index", str(folder), "--name", f"{folder.name}-typed", "--ref", base, "--data", str(data)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    pushed = None
    if options.reindex:
        pushed = PushedRepository(scratch)
        pushed.push(0, options.reindex)
        pushed.install_hook(data)
    return _Place(folder, base, typed, data, scratch, pushed)


def _replayable(session: Session) -> bool:
    return "\r" not in session.before + session.typed and Truth(0, session.before, session.typed).recognisable


async def _measure(options: argparse.Namespace, place: _Place) -> dict[str, Any]:
    tokenizer = train_tokenizer(place.folder, place.base, MODEL, place.scratch / "model")
    tokens = add_team(place.data, options.editors)
    engine_arguments = ["--tokenizer", str(tokenizer), "--wrong", str(options.wrong)]
    engine_arguments += ["--first-ms", str(options.first_ms), "--token-ms", str(options.token_ms)]
    async with recorded_engine(engine_arguments) as engine:
        arguments = ["--data", str(place.data), "--config", str(_configure(place, engine))]
        async with running_hearth(SERVE, place.folder, options.editors, arguments, tokens) as hearth:
            return await _observe(options, place, engine, hearth)


async def _observe(
    options: argparse.Namespace, place: _Place, engine: RecordedEngine, hearth: RunningHearth
) -> dict[str, Any]:
    """Let them type, look at the server meanwhile, and put together what was seen."""
    if place.pushed is not None:
        await _indexed(hearth, place.pushed.head())
    crowd = Crowd(
        hearth.editors,
        engine,
        place.folder,
        place.typed,
        rate=options.rate,
        speed=options.speed,
        share_compared=options.compared,
    )
    watched = Watched(hearth.process_id)
    watching = asyncio.create_task(watched.watch())
    typing = asyncio.create_task(crowd.type(options.minutes * 60))
    timeline = _Timeline(hearth, options.minutes * 60)
    try:
        await timeline.run(place.pushed, options.reindex)
        measured = await typing
    finally:
        for task in (watching, typing):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    entries = await engine.entries()
    parts = {
        part.name: figures_of(part, measured, entries, watched.between(part.start, part.end)) for part in timeline.parts
    }
    status = await hearth.status()
    return {
        **environment(model=status["engine"]["model"]),
        "engine": f"{options.first_ms:g} ms + {options.token_ms:g} ms a token, {options.wrong:.0%} wrong",
        "repository": place.folder.name,
        "chunks": sum(entry["chunks"] for entry in status["index"]["repositories"]),
        "editors": options.editors,
        "rate": options.rate,
        "minutes": options.minutes,
        "speed": options.speed,
        "parts": parts,
        "memory": memory_figures(watched.between(timeline.parts[0].start, timeline.parts[-1].end)),
        "reindex": timeline.reindex | _rise(parts),
        "errors": _errors(measured, crowd, await hearth.counters()),
        "excluded": _excluded(measured, parts, timeline),
    }


class _Timeline:
    """The parts of a run: a warm-up that counts for nothing, then all of it, or before, during and after a push."""

    def __init__(self, hearth: RunningHearth, seconds: float) -> None:
        self._hearth = hearth
        self._begun = time.perf_counter()
        self._seconds = seconds
        self.parts: list[Part] = []
        self.reindex: dict[str, float] = {}

    async def run(self, pushed: PushedRepository | None, files: int) -> None:
        """Wait for the end, and push in the middle."""
        warm_up = min(_MOST_WARM_UP_S, _WARM_UP_SHARE * self._seconds)
        await asyncio.sleep(warm_up)
        if pushed is None:
            await self._part("all", self._wait_until(self._seconds))
            return
        await self._part("before", self._wait_until((warm_up + self._seconds) / 2))
        await self._part("during", self._push(pushed, files))
        await self._part("after", self._wait_until(self._seconds))

    async def _part(self, name: str, lasts: Any) -> None:
        before, start = await self._hearth.counters(), time.perf_counter()
        await lasts
        self.parts.append(Part(name, start, time.perf_counter(), before, await self._hearth.counters()))

    async def _wait_until(self, second: float) -> None:
        await asyncio.sleep(max(_LOOK_S, self._begun + second - time.perf_counter()))

    async def _push(self, pushed: PushedRepository, files: int) -> None:
        began, seconds = await asyncio.to_thread(pushed.push, 1, files)
        await _indexed(self._hearth, pushed.head())
        indexed = time.perf_counter() - began
        self.reindex = {"files": files, "push_s": round(seconds, 2), "published_s": round(indexed, 2)}


async def _indexed(hearth: RunningHearth, commit: str) -> None:
    """Wait until the server shows a commit."""
    async with asyncio.timeout(_INDEXED_S):
        while True:
            shown = (await hearth.status())["index"]["repositories"]
            if any(entry["commit"] == commit for entry in shown):
                return
            await asyncio.sleep(_LOOK_S)


def _rise(parts: Mapping[str, Any]) -> dict[str, float]:
    """Return by how much the slowest of twenty rose while it was indexed."""
    before, during = (parts.get(name, {}).get("p95_added_ttft_ms") for name in ("before", "during"))
    return {"p95_rise": round(during / before - 1, 4)} if before and during else {}


def _errors(measured: Measured, crowd: Crowd, counters: Mapping[str, float]) -> dict[str, float]:
    counts: Counter[str] = Counter()
    counts["requests failed"] = sum(asked.outcome == "failed" for asked in measured.asked)
    for reason, count in crowd.lost.items():
        counts[reason] += count
    for name, value in counters.items():
        if name.startswith(("hearth_engine_failures_total{", "hearth_refused_total{")):
            counts[name] += int(value)
    return {name: count for name, count in counts.items() if count}


def _excluded(measured: Measured, parts: Mapping[str, Any], timeline: _Timeline) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for figures in parts.values():
        counts.update(figures["excluded"])
    inside = sum(figures["requests"] for figures in parts.values())
    counts["requests outside the parts"] = len(measured.asked) - inside
    return {reason: count for reason, count in counts.items() if count}


def _configure(place: _Place, engine: RecordedEngine) -> Path:
    """Write hearth.toml: the engine alone, and nothing of another engine on the screen until it begins."""
    lines = [f"[log]\nfile = {json.dumps(str(place.scratch / 'hearth.log'))}", "[completion]", "stand_in = 0.0"]
    lines += ["[engine]", 'order = ["vllm"]', "[engine.vllm]", f'url = "{engine.url}"', "connections = 512"]
    file = place.scratch / "hearth.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


if __name__ == "__main__":
    sys.exit(main())
