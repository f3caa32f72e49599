"""How long a developer waits: typing sessions from a repository's history, replayed through ``hearth lsp``.

``python -m benchmarks.latency [--repo PATH] [--keys N] [--seed N]``; ``make bench`` runs it. The index is made at an
older commit, and what was added after it is typed key by key into the real server, which is asked at every key; a
request is cancelled by the next key, as editors do. Reported: time to the first part (ttft), to the final answer
(e2el), between parts (itl), beside the round trip of an empty request through the same server in the same run (floor).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.editor import VSCODE_CAPABILITIES, Editor, ServerAnsweredError, Streamed, open_editor
from benchmarks.report import environment, summary, write
from benchmarks.typing import Session, clone, history_base, sessions

HEARTH = str(Path(sys.executable).with_name("hearth"))
_REQUEST_CANCELLED = -32800
_CONTENT_MODIFIED = -32801


@dataclass(slots=True)
class Measured:
    """What was observed; times in seconds."""

    ttft: list[float] = field(default_factory=list)
    e2el: list[float] = field(default_factory=list)
    itl: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    keys: int = 0
    requests: int = 0
    cancelled: int = 0
    silent: int = 0
    failed: int = 0
    kept: int = 0
    """Suggestions that were, in whole, what the developer typed next."""
    saved: int = 0
    """Keys saved by accepting each of those that begins behind the one accepted before; accepting costs a key."""


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--repo", type=Path, default=Path(__file__).resolve().parents[1], help="a git work tree or bare repository"
    )
    parser.add_argument("--commits", type=int, default=100, help="how far back the index is made")
    parser.add_argument("--keys", type=int, default=600, help="key strokes to replay")
    parser.add_argument("--speed", type=float, default=1.0, help="typing speed; 1 is human, 2 twice as fast")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--config", type=Path, help="hearth.toml to use, for example one with a model server")
    parser.add_argument("--output", type=Path, help="file for the JSON [default: benchmarks/results/latency-DATE.json]")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    options = parser.parse_args()
    configuration = ["--config", str(options.config.resolve())] if options.config else []
    with tempfile.TemporaryDirectory(prefix="hearth-latency-") as scratch:
        repository = clone(options.repo.resolve(), Path(scratch))
        base = history_base(repository, options.commits)
        arguments = ["--data", str(Path(scratch) / "data"), *configuration]
        indexed = subprocess.run([HEARTH, "index", str(repository), "--ref", base, *arguments], check=False)
        if indexed.returncode != 0:
            return indexed.returncode
        measured, status = asyncio.run(_replay(repository, base, options, arguments))
    result = {
        **environment(model=str(status["engine"]["model"])),
        "engine": status["engine"]["rung"],
        "repository": repository.name,
        "base_commit": base,
        "chunks": sum(entry["chunks"] for entry in status["index"]["repositories"]),
        "seed": options.seed,
        "speed": options.speed,
        "keys": measured.keys,
        "requests": measured.requests,
        "completed": len(measured.e2el),
        "cancelled": measured.cancelled,
        "silent": measured.silent,
        "failed": measured.failed,
        "exactly_right": measured.kept,
        "keystrokes_saved": round(measured.saved / max(1, measured.keys), 4),
        **summary("ttft", measured.ttft),
        **summary("e2el", measured.e2el),
        **summary("itl", measured.itl),
        **summary("floor", measured.floor),
    }
    path = write("latency", result, options.output)
    if options.json:
        print(json.dumps(result))
    else:
        _print(result, path)
    return 0


async def _replay(
    repository: Path, base: str, options: argparse.Namespace, arguments: list[str]
) -> tuple[Measured, dict[str, Any]]:
    measured = Measured()
    command = [HEARTH, "lsp", "--no-auto-index", *arguments]
    async with open_editor(command) as editor:
        await editor.initialize(repository, VSCODE_CAPABILITIES)
        status = await editor.request("hearth/status", {})
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("typing", total=options.keys)
            for session in sessions(repository, base, options.seed):
                await _type(editor, repository, session, options.speed, measured)
                progress.update(task, completed=measured.keys)
                if measured.keys >= options.keys:
                    break
    return measured, status


async def _type(editor: Editor, repository: Path, session: Session, speed: float, measured: Measured) -> None:
    """Replay one session: change, ask, and cancel what the next key overtakes."""
    uri = (repository / session.path).as_uri()
    editor.open(uri, session.language, session.before + session.after)
    line, character = session.before.count("\n"), 0
    pending: asyncio.Task[Streamed] | None = None
    accepted_until = 0
    for position, (key, delay) in enumerate(zip(session.typed, session.delays, strict=True)):
        await asyncio.sleep(delay / speed)
        right = await _settle(pending, session.typed[position:], measured)
        if right and position >= accepted_until:
            accepted_until = position + right
            measured.saved += right - 1
        editor.insert(uri, line, character, key)
        measured.keys += 1
        line, character = (line + 1, 0) if key == "\n" else (line, character + len(key.encode("utf-16-le")) // 2)
        started = time.perf_counter()
        await editor.request("hearth/status", {})
        measured.floor.append(time.perf_counter() - started)
        pending = asyncio.create_task(editor.complete(uri, line, character))
        measured.requests += 1
    await _settle(pending, "", measured)
    editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})


async def _settle(pending: asyncio.Task[Streamed] | None, typed_next: str, measured: Measured) -> int:
    """Record the last request: answered, or cancelled by the key that comes now.

    Returns how many characters of ``typed_next`` its suggestion says; 0 when it says anything else.
    """
    if pending is None:
        return 0
    if not pending.done():
        pending.cancel()
        measured.cancelled += 1
        await asyncio.gather(pending, return_exceptions=True)
        return 0
    error = pending.exception()
    if isinstance(error, ServerAnsweredError):
        cancelled = error.code in {_REQUEST_CANCELLED, _CONTENT_MODIFIED}
        measured.cancelled += cancelled
        measured.failed += not cancelled
        return 0
    answer = pending.result()
    measured.e2el.append(answer.seconds)
    items = (answer.result or {}).get("items", [])
    if not items:
        measured.silent += 1
        return 0
    times = [seconds for seconds, value in answer.parts if value.get("items")]
    measured.ttft.append(times[0] if times else answer.seconds)
    measured.itl += [later - earlier for earlier, later in itertools.pairwise(times)]
    text = str(items[0]["insertText"])
    if not typed_next.startswith(text):
        return 0
    measured.kept += 1
    return len(text)


def _print(result: dict[str, Any], path: Path) -> None:
    console = Console()
    table = Table(title=f"latency, {result['engine']} engine, {result['chunks']:,} chunks")
    for heading in ("", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(heading, justify="right" if heading else "left")
    names = {
        "ttft": "first part (ttft)",
        "e2el": "whole answer (e2el)",
        "itl": "between parts (itl)",
        "floor": "empty request (floor)",
    }
    for name, label in names.items():
        values = [result.get(f"{percentile}_{name}_ms") for percentile in ("p50", "p95", "p99")]
        table.add_row(label, *("-" if value is None else f"{value:.2f}" for value in values))
    console.print(table)
    console.print(
        f"{result['keys']} keys, {result['requests']} requests: {result['completed']} answered "
        f"({result['silent']} of them silent), {result['cancelled']} overtaken by a key, {result['failed']} failed"
    )
    console.print(
        f"{result['exactly_right']} of {result['completed'] - result['silent']} suggestions were what came next; "
        f"accepting them saves {result['keystrokes_saved']:.1%} of the keys"
    )
    console.print(f"{result['machine']}; commit {result['commit']}; written to {path}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
