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
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.latency.engine import RecordedEngine, recorded_engine
from benchmarks.latency.hearth import HEARTH, LSP, SERVE, RunningHearth, running_hearth
from benchmarks.latency.page import can_draw, write_page
from benchmarks.latency.replay import Replay
from benchmarks.latency.results import Samples, merged, report, samples_of
from benchmarks.latency.table import print_changes, print_result
from benchmarks.latency.timed import MODEL
from benchmarks.latency.tokenizer import train_tokenizer
from benchmarks.latency.vllm import random_model, running_vllm
from benchmarks.report import environment, write
from benchmarks.typing import clone, history_base, sessions
from server.runs.compare import compare, regressed

_WARM_UP_SEED = 0
_WARM_UP_KEYS = 60
_VLLM_MODEL = "qwen2.5-coder-benchmark"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where it is typed: the clone, the commit that is indexed, and the data directory."""

    folder: Path
    base: str
    data: Path
    scratch: Path


def main() -> int:
    """Run the benchmark; return 1 when ``--compare`` finds a regression."""
    parser = _parser()
    options = parser.parse_args()
    if not can_draw():
        parser.error('plotly is missing, which draws the page. In a clone of Hearth: pip install ".[charts]"')
    console = Console(stderr=options.json)
    with tempfile.TemporaryDirectory(prefix="hearth-latency-") as scratch:
        place = _prepare(options, Path(scratch))
        result = asyncio.run(_measure(options, place))
    path = write("latency", result, options.output)
    page = options.page or path.with_suffix(".html")
    write_page(result, page)
    if options.json:
        print(json.dumps(result))
    else:
        print_result(console, result, (path, page))
    if options.compare is None:
        return 0
    changes = compare(json.loads(options.compare.read_text()), result)
    print_changes(console, changes)
    return int(regressed(changes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=(__doc__ or "").splitlines()[0])
    own = Path(__file__).resolve().parents[2]
    typing = parser.add_argument_group("what is typed")
    typing.add_argument("--repo", type=Path, default=own, help="a git work tree or bare repository")
    typing.add_argument("--commits", type=int, default=100, help="how far back the index is made [default: 100]")
    typing.add_argument("--data", type=Path, help="an index to begin with, which is copied; the repository is added")
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
    engine.add_argument("--vllm", type=Path, metavar="PYTHON", help="start vLLM with this interpreter")
    engine.add_argument("--model", type=Path, metavar="DIR", help="its model [default: a tiny one, random weights]")
    engine.add_argument("--embedded", action="store_true", help="the engine that needs no model")
    engine.add_argument("--no-debounce", action="store_true", help="ask at every key at once")
    output = parser.add_argument_group("results")
    output.add_argument("--output", type=Path, help="file for the JSON [default: benchmarks/results/latency-DATE.json]")
    output.add_argument("--page", type=Path, help="file for the page [default: beside the JSON]")
    output.add_argument("--compare", type=Path, metavar="OLD.json", help="say what changed; exit with 1 if for worse")
    output.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    return parser


def _prepare(options: argparse.Namespace, scratch: Path) -> _Place:
    folder = clone(options.repo.resolve(), scratch)
    base = history_base(folder, options.commits)
    data = scratch / "data"
    if options.data is not None:
        shutil.copytree(options.data, data)
    command = [HEARTH, "index", str(folder), "--name", f"{folder.name}-typed", "--ref", base, "--data", str(data)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _Place(folder, base, data, scratch)


async def _measure(options: argparse.Namespace, place: _Place) -> dict[str, Any]:
    numbers = itertools.count()
    paths: dict[str, Any] = {}
    status: dict[str, Any] = {}
    async with _engine(options, place) as engine:
        arguments = ["--data", str(place.data), "--config", str(_configure(options, place, engine))]
        for path in options.path or (LSP, SERVE):
            async with running_hearth(path, place.folder, options.sessions, arguments) as hearth:
                status = await hearth.status()
                paths[path] = await _replay(options, place, engine, hearth, numbers)
    return {
        **environment(model=status["engine"]["model"]),
        "engine": _engine_name(options),
        "repository": place.folder.name,
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
        if options.engine_url or options.engine_uds:
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
) -> dict[str, Any]:
    replay = Replay(hearth, engine, place.folder, numbers)
    by_seed: dict[int, Samples] = {}
    counted = await engine.cached_prompt_tokens() if engine is not None else None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("typing", total=options.keys * options.seeds)
        # Unmeasured: the first session finds connections, grammars and the tokenizer not there yet.
        warm = sessions(place.folder, place.base, _WARM_UP_SEED)
        await replay.run(warm, typists=options.sessions, keys=_WARM_UP_KEYS, seed=_WARM_UP_SEED, speed=options.speed)
        replay.excluded.clear()
        for seed in range(1, options.seeds + 1):
            seen = len(await engine.entries()) if engine is not None else 0
            measured = await replay.run(
                sessions(place.folder, place.base, seed),
                typists=options.sessions,
                keys=options.keys,
                seed=seed,
                speed=options.speed,
                on_key=lambda done, seed=seed: progress.update(  # type: ignore[misc]
                    task, completed=options.keys * (seed - 1) + done
                ),
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


def _configure(options: argparse.Namespace, place: _Place, engine: RecordedEngine | None) -> Path:
    """Write hearth.toml: the engine alone, and nothing of another engine on the screen until it begins."""
    lines = [f"[log]\nfile = {json.dumps(str(place.scratch / 'hearth.log'))}", "[completion]", "stand_in = 0.0"]
    if options.no_debounce:
        lines += ["debounce_ms = 0"]
    if engine is None:
        lines += ["[engine]", 'order = ["embedded"]']
    else:
        connections = max(64, 2 * options.sessions)
        lines += ["[engine]", 'order = ["vllm"]', "[engine.vllm]", f'url = "{engine.url}"']
        lines += [f"connections = {connections}"]
    file = place.scratch / "hearth.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def _engine_name(options: argparse.Namespace) -> str:
    if options.embedded:
        return "embedded engine"
    if options.engine_url or options.engine_uds:
        return f"engine at {options.engine_url or options.engine_uds}"
    if options.vllm is not None:
        return "vLLM"
    return f"fixed latencies, {options.first_ms:g} ms + {options.token_ms:g} ms a token, {options.wrong:.0%} wrong"


if __name__ == "__main__":
    sys.exit(main())
