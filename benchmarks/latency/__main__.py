"""How long a developer waits: typing sessions from a repository's history, replayed through Hearth.

``python -m benchmarks.latency``; ``make bench`` runs it. The index is made at an older commit, and what was added after
it is typed key by key, with human timing, into ``hearth lsp`` and ``hearth serve``. What Hearth then asks the engine is
asked again directly, in the same run, which tells what Hearth adds. ``docs/benchmarks.md`` defines every figure.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich.progress
from rich.console import Console

from benchmarks.latency.engine import RecordedEngine, recorded_engine
from benchmarks.latency.hearth import HEARTH, LSP, SERVE, RunningHearth, running_hearth
from benchmarks.latency.page import can_draw, write_page
from benchmarks.latency.replay import Replay
from benchmarks.latency.results import Samples, merged, report, samples_of
from benchmarks.latency.settings import settings_to_measure, with_engine, write_settings
from benchmarks.latency.table import print_changes, print_result
from benchmarks.latency.timed import MODEL
from benchmarks.latency.tokenizer import train_tokenizer
from benchmarks.latency.vllm import random_model, running_vllm
from benchmarks.report import environment, write
from benchmarks.typing import Session, clone, history_base, sessions
from indexer.backup import view_index
from server.config import HearthConfig
from server.runs.compare import compare, regressed
from server.runs.kept import KeptRuns
from server.runs.progress import Progress, ProgressFile

_WARM_UP_SEED = 0
_WARM_UP_KEYS = 60
_MOST_TYPED = 500
"""About the most characters of a session."""
_VLLM_MODEL = "qwen2.5-coder-benchmark"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where it is typed: the clone, the commit that is indexed, the data directory, and the settings to measure."""

    folder: Path
    base: str
    data: Path
    scratch: Path
    settings: HearthConfig


def main() -> int:
    """Run the benchmark; return 1 when ``--compare`` finds a regression."""
    parser = _parser()
    options = parser.parse_args()
    if options.page is not None and not can_draw():
        parser.error('plotly is missing, which draws the page. In a clone of Hearth: pip install ".[charts]"')
    if options.configured_engine and options.config is None:
        parser.error("--configured-engine is the model server of --config FILE")
    # Whoever ends this lets it end Hearth and the engine, and take its directory away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=options.json)
    progress = ProgressFile(options.progress)
    with tempfile.TemporaryDirectory(prefix="hearth-latency-") as scratch:
        progress.say(Progress("indexing"))
        place = _prepare(options, Path(scratch))
        result = asyncio.run(_measure(options, place, progress))
    written = _keep(options, result, progress)
    if options.json:
        print(json.dumps(result))
    else:
        print_result(console, result, written)
    if options.compare is None:
        return 0
    changes = compare(json.loads(options.compare.read_text()), result)
    print_changes(console, changes)
    return int(regressed(changes))


def _keep(options: argparse.Namespace, result: dict[str, Any], progress: ProgressFile) -> list[Path]:
    """Write the result where it is wanted, and a page of it where one can be drawn; return the files."""
    written = []
    if options.keep is not None:
        kept = KeptRuns(options.keep)
        run_id = kept.keep(result)
        progress.say(Progress("kept", kept=run_id))
        written.append(kept.folder / f"{run_id}.json")
    else:
        written.append(write("latency", result, options.output))
    page = options.page or (written[0].with_suffix(".html") if options.keep is None and can_draw() else None)
    if page is not None:
        write_page(result, page)
        written.append(page)
    return written


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=(__doc__ or "").splitlines()[0])
    own = Path(__file__).resolve().parents[2]
    typing = parser.add_argument_group("what is typed")
    typing.add_argument("--repo", type=Path, default=own, help="a git work tree or bare repository")
    typing.add_argument("--commits", type=int, default=100, help="how far back the index is made [default: 100]")
    typing.add_argument("--data", type=Path, help="an index to begin with, which is only read; the repository is added")
    typing.add_argument("--name", default="", help="what the repository is called [default: its directory's name]")
    typing.add_argument("--keys", type=int, default=400, help="characters for each path and seed [default: 400]")
    typing.add_argument("--seeds", type=int, default=3, help="how many replays, each of other sessions [default: 3]")
    typing.add_argument("--sessions", type=int, default=1, help="how many type at once [default: 1]")
    typing.add_argument("--speed", type=float, default=1.0, help="typing speed; 1 is human, 2 twice as fast")
    typing.add_argument("--path", action="append", choices=(LSP, SERVE), help="only this one of the two")
    engine = parser.add_argument_group("the engine; one with fixed latencies unless another is named")
    engine.add_argument("--first-ms", type=float, default=30.0, help="its time to the first token [default: 30]")
    engine.add_argument("--token-ms", type=float, default=10.0, help="its time from token to token [default: 10]")
    engine.add_argument("--wrong", type=float, default=0.2, help="share of its tokens that are wrong [default: 0.2]")
    engine.add_argument("--engine-url", default="", metavar="URL", help="a running server of the OpenAI API")
    engine.add_argument("--engine-uds", default="", metavar="SOCKET", help="its Unix socket")
    engine.add_argument("--configured-engine", action="store_true", help="the model server of --config")
    engine.add_argument("--vllm", type=Path, metavar="PYTHON", help="start vLLM with this interpreter")
    engine.add_argument("--model", type=Path, metavar="DIR", help="its model [default: a tiny one, random weights]")
    engine.add_argument("--embedded", action="store_true", help="the engine that needs no model")
    engine.add_argument("--no-debounce", action="store_true", help="ask at every key at once")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a hearth.toml to measure with [default: none]")
    output = parser.add_argument_group("results")
    output.add_argument("--label", default="", help="what the run is called")
    output.add_argument("--keep", type=Path, metavar="DATA", help="keep it in a data directory, for the server's pages")
    output.add_argument("--progress", type=Path, metavar="FILE", help="say there how far it is, as JSON")
    output.add_argument("--output", type=Path, help="file for the JSON [default: benchmarks/results/latency-DATE.json]")
    output.add_argument("--page", type=Path, help="file for the page [default: beside --output]")
    output.add_argument("--compare", type=Path, metavar="OLD.json", help="say what changed; exit with 1 if for worse")
    output.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    return parser


def _prepare(options: argparse.Namespace, scratch: Path) -> _Place:
    folder = clone(options.repo.resolve(), scratch)
    base = history_base(folder, options.commits)
    data = scratch / "data"
    if options.data is not None:
        view_index(options.data.resolve(), data)
    settings = settings_to_measure(options)
    command = [HEARTH, "index", str(folder), "--name", f"{folder.name}-typed", "--ref", base, "--data", str(data)]
    command += ["--config", str(write_settings(settings, scratch, "index.toml"))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _Place(folder, base, data, scratch, settings)


async def _measure(options: argparse.Namespace, place: _Place, progress: ProgressFile) -> dict[str, Any]:
    numbers = itertools.count()
    paths: dict[str, Any] = {}
    status: dict[str, Any] = {}
    async with _engine(options, place) as engine:
        settings = with_engine(place.settings, options, engine.url if engine is not None else "")
        arguments = ["--data", str(place.data), "--config", str(write_settings(settings, place.scratch, "hearth.toml"))]
        for path in options.path or (LSP, SERVE):
            progress.say(Progress(f"starting hearth {path}"))
            async with running_hearth(path, place.folder, options.sessions, arguments) as hearth:
                status = await hearth.status()

                def say(done: int, path: str = path) -> None:
                    progress.say(Progress(f"typing, hearth {path}", done, options.keys * options.seeds))

                paths[path] = await _replay(options, place, engine, hearth, numbers, on_key=say)
    return {
        **environment(model=status["engine"]["model"]),
        "label": options.label,
        "engine": _engine_name(options),
        "repository": options.name or place.folder.name,
        "base_commit": place.base,
        "chunks": sum(entry["chunks"] for entry in status["index"]["repositories"]),
        "sessions": options.sessions,
        "max_concurrency": options.sessions,
        "seeds": list(range(1, options.seeds + 1)),
        "speed": options.speed,
        "debounce": not options.no_debounce,
        "paths": paths,
    }


@asynccontextmanager
async def _engine(options: argparse.Namespace, place: _Place) -> AsyncIterator[RecordedEngine | None]:
    """Start what is to be asked, and what writes it down."""
    if options.embedded:
        yield None
        return
    async with AsyncExitStack() as stack:
        configured = place.settings.engine.vllm
        if options.configured_engine:
            arguments = ["--forward", configured.url, "--forward-uds", configured.uds]
        elif options.engine_url or options.engine_uds:
            arguments = ["--forward", options.engine_url, "--forward-uds", options.engine_uds]
        else:
            tokenizer = options.model or train_tokenizer(place.folder, place.base, MODEL, place.scratch / "model")
            arguments = ["--tokenizer", str(tokenizer)]
            if options.vllm is not None:
                model = options.model or random_model(options.vllm, tokenizer)
                log = place.scratch / "vllm.log"
                url = stack.enter_context(running_vllm(options.vllm, model, _VLLM_MODEL, log))
                arguments += ["--forward", url]
            else:
                arguments += ["--first-ms", str(options.first_ms), "--token-ms", str(options.token_ms)]
                arguments += ["--wrong", str(options.wrong)]
        yield await stack.enter_async_context(recorded_engine(arguments))


async def _replay(
    options: argparse.Namespace,
    place: _Place,
    engine: RecordedEngine | None,
    hearth: RunningHearth,
    numbers: itertools.count[int],
    *,
    on_key: Callable[[int], None],
) -> dict[str, Any]:
    replay = Replay(hearth, engine, place.folder, numbers)
    by_seed: dict[int, Samples] = {}
    counted = await engine.cached_prompt_tokens() if engine is not None else None
    with rich.progress.Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("typing", total=options.keys * options.seeds)

        def count(done: int) -> None:
            bar.update(task, completed=done)
            on_key(done)

        count(0)
        # Unmeasured: the first session finds connections, grammars and the tokenizer not there yet.
        warm = sessions(place.folder, place.base, _WARM_UP_SEED)
        await replay.run(warm, typists=options.sessions, keys=_WARM_UP_KEYS, seed=_WARM_UP_SEED, speed=options.speed)
        replay.excluded.clear()
        for seed in range(1, options.seeds + 1):
            seen = len(await engine.entries()) if engine is not None else 0
            measured = await replay.run(
                await _read_ahead(sessions(place.folder, place.base, seed), options),
                typists=options.sessions,
                keys=options.keys,
                seed=seed,
                speed=options.speed,
                on_key=lambda done, before=options.keys * (seed - 1): count(before + min(done, options.keys)),  # type: ignore[misc]
            )
            entries = (await engine.entries())[seen:] if engine is not None else []
            by_seed[seed] = samples_of(measured, entries)
            by_seed[seed].excluded += replay.excluded
            replay.excluded.clear()
    result = report(merged(by_seed.values()), by_seed)
    if engine is not None and counted is not None:
        after = await engine.cached_prompt_tokens() or counted
        queries, hits = after[0] - counted[0], after[1] - counted[1]
        result["prefix_cache_hit_ratio"] = round(hits / queries, 4) if queries else None
    return {**result, "counters": await hearth.counters()}


async def _read_ahead(found: Iterator[Session], options: argparse.Namespace) -> Iterator[Session]:
    """Read what will be typed before anybody types: git would hold all typists up at each session."""

    def read() -> list[Session]:
        taken: list[Session] = []
        wanted = 2 * options.keys + _MOST_TYPED * options.sessions
        while wanted > 0 and (session := next(found, None)) is not None:
            taken.append(session)
            wanted -= len(session.typed)
        return taken

    return itertools.chain(await asyncio.to_thread(read), found)


def _engine_name(options: argparse.Namespace) -> str:
    if options.embedded:
        return "embedded engine"
    if options.configured_engine:
        return "the configured model server"
    if options.engine_url or options.engine_uds:
        return f"engine at {options.engine_url or options.engine_uds}"
    if options.vllm is not None:
        return "vLLM"
    return f"fixed latencies, {options.first_ms:g} ms + {options.token_ms:g} ms a token, {options.wrong:.0%} wrong"


if __name__ == "__main__":
    sys.exit(main())
