"""What the VS Code extension adds to the time from a key to the screen, in a large file, in the real VS Code.

``python -m benchmarks.vscode [--code-server FOLDER] [--lines N] [--keys N] [--rounds N]``. Two windows of VS Code with
the same file, each with a server of its own, are typed into in turns: one with the extension and `hearth lsp` on an
index behind it, one with neither, so that whatever else runs hits both alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.code_server import code_server, node_of, own_folders, page_url
from benchmarks.report import environment, summary, write

_HEARTH = str(Path(sys.executable).with_name("hearth"))
_PACKAGE = Path(__file__).resolve().parents[1] / "editors" / "vscode" / "hearth.vsix"
_CACHE = Path(os.environ.get("HEARTH_CI_CACHE") or Path.home() / ".cache" / "hearth-ci")
_DRIVER = Path(__file__).with_name("vscode.mjs")
_TURN = 25
_OPENING = "first = 1; "
_STATEMENTS = "    total_{0} = add_up(order_{0}, {0})\n"
_WINDOWS = ("off", "on")
_RESAMPLES = 2_000


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vscode", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--code-server", type=Path, help="folder that tests/editors/code_server/install.sh filled")
    parser.add_argument("--chromium", default="chromium", help="the program [default: chromium]")
    parser.add_argument("--package", type=Path, default=_PACKAGE, help="the extension [default: the one built here]")
    parser.add_argument("--lines", type=int, default=50_000, help="lines of the file")
    parser.add_argument("--keys", type=int, default=250, help="keys that each of the two gets in a round")
    parser.add_argument("--rounds", type=int, default=4, help="rounds, between which the figures are compared")
    parser.add_argument("--pause-ms", type=float, default=60.0, help="median pause between two keys")
    parser.add_argument("--output", type=Path, help="file for the JSON [default: in benchmarks/results/]")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    options = parser.parse_args()
    chromium = shutil.which(options.chromium)
    if chromium is None:
        parser.error(f"{options.chromium} is not a program; name one by --chromium")
    installed = options.code_server or max(
        _CACHE.glob("code-server-*"), key=lambda path: path.stat().st_mtime, default=None
    )
    if installed is None or not node_of(installed / "node_modules").exists():
        parser.error(
            "there is no code-server; name the folder by --code-server (docs/benchmarks.md says how to fill it)"
        )
    if not options.package.exists():
        parser.error(f"{options.package} is missing; `npm run package` in editors/vscode writes it")
    plan = _plan(options.lines, options.keys, options.rounds, options.pause_ms)
    with tempfile.TemporaryDirectory(prefix="hearth-vscode-") as scratch:
        modules = (installed / "node_modules").resolve()
        turns = asyncio.run(_type(Path(scratch), modules, chromium, options.package, rounds=plan, lines=options.lines))
    version = json.loads((modules / "code-server" / "package.json").read_text())["version"]
    result = {
        **environment(),
        "code_server": version,
        "lines": options.lines,
        "keys": options.keys * options.rounds,
        **figures(turns),
    }
    path = write("vscode", result, options.output)
    if options.json:
        print(json.dumps(result))
    else:
        _print(result, path)
    return 0


def figures(turns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the keys of all turns took, what the extension added, and how far that differs between rounds.

    ``added_key_ms_by_round`` holds the added p50 and p95 of each round; ``p95_added_key_ms_low`` and ``…_high`` bound
    what 2,000 bootstrapped differences are in 95 % of cases, by drawing turns, as keys of one turn are not independent.

    Raises:
        RuntimeError: No suggestion was on the screen, so that nothing of the extension was measured.
    """
    ghosts = sum(turn["ghosts"] for turn in turns if turn["window"] == "on")
    if not ghosts:
        raise RuntimeError("no suggestion was shown: the extension was not at work")
    of = {name: [turn for turn in turns if turn["window"] == name] for name in _WINDOWS}
    values: dict[str, Any] = {"shown": ghosts}
    for name in _WINDOWS:
        values |= summary(f"key_{name}", [ms / 1000 for turn in of[name] for ms in turn["ms"]])
    shares = {"p50": 50, "p95": 95, "p99": 99}
    for share in shares:
        values[f"{share}_added_key_ms"] = round(values[f"{share}_key_on_ms"] - values[f"{share}_key_off_ms"], 3)
    values["added_key_ms_by_round"] = [
        {
            share: round(
                _added({name: [t for t in of[name] if t["round"] == number] for name in _WINDOWS}, shares[share]), 3
            )
            for share in ("p50", "p95")
        }
        for number in sorted({turn["round"] for turn in turns})
    ]
    chance = random.Random(7)
    drawn = [
        _added({name: chance.choices(of[name], k=len(of[name])) for name in _WINDOWS}, 95) for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {**values, "p95_added_key_ms_low": round(float(low), 3), "p95_added_key_ms_high": round(float(high), 3)}


def _added(of: Mapping[str, Sequence[Mapping[str, Any]]], share: float) -> float:
    off, on = (np.percentile([ms for turn in of[name] for ms in turn["ms"]], share) for name in _WINDOWS)
    return float(on - off)


def _plan(lines: int, keys: int, rounds: int, pause_ms: float) -> list[list[dict[str, Any]]]:
    """Return the turns of each round: both windows get the same keys and pauses, and take turns in being first."""
    chance = random.Random(7)
    typed = "".join(_STATEMENTS.format(lines + number).strip(" \n") + " " for number in range(keys * rounds // 20 + 1))
    plan = []
    for number in range(rounds):
        turns: list[dict[str, Any]] = []
        for start in range(number * keys, (number + 1) * keys, _TURN):
            text = typed[start : min(start + _TURN, (number + 1) * keys)]
            # At each blank one looks up for a while, so that what is suggested is drawn.
            pauses = [pause_ms * chance.lognormvariate(0.0, 0.4) * (4 if each == " " else 1) for each in text]
            order = _WINDOWS if len(turns) % 4 == 0 else reversed(_WINDOWS)
            turns += [{"window": name, "text": text, "pauses": pauses} for name in order]
        plan.append(turns)
    return plan


async def _type(
    scratch: Path, modules: Path, chromium: str, package: Path, *, rounds: list[list[dict[str, Any]]], lines: int
) -> list[dict[str, Any]]:
    """Type the plan into both, and return what each turn took."""
    text = "".join(_STATEMENTS.format(number) for number in range(lines))
    windows = []
    async with AsyncExitStack() as stack:
        for name in _WINDOWS:
            folder = scratch / name / "work"
            _make_repository(folder, text)
            machine: dict[str, Any] = {}
            if name == "on":
                data = scratch / name / "data"
                await _run(_HEARTH, "index", str(folder), "--data", str(data))
                machine = {"hearth.server.path": _HEARTH, "hearth.data": str(data)}
            serving = code_server(modules, scratch / name, package if name == "on" else None, machine=machine)
            url = await stack.enter_async_context(serving)
            ready = "Hearth: index only$" if name == "on" else ""
            windows.append({"name": name, "url": page_url(url, folder, "orders.py"), "ready": ready})
        plan = {
            "modules": str(modules),
            "chromium": chromium,
            "line": lines // 2,
            "opening": _OPENING,
            "windows": windows,
            "rounds": rounds,
        }
        answer = await _run(str(node_of(modules)), str(_DRIVER), given=json.dumps(plan), env=own_folders(scratch))
    turns: list[dict[str, Any]] = json.loads(answer)
    return turns


def _make_repository(folder: Path, text: str) -> None:
    """Commit the file that is typed into, and others like it that suggestions may come from."""
    folder.mkdir(parents=True)
    (folder / "orders.py").write_text(text)
    for number in range(20):
        rows = "".join(_STATEMENTS.format(row) for row in range(number * 100, number * 100 + 100))
        (folder / f"orders_{number}.py").write_text(f"def sum_up_{number}():\n{rows}")
    author = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com"]
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "Add orders"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)


async def _run(*command: str, given: str = "", env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return what it writes."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    written, complaints = await process.communicate(given.encode())
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with status {process.returncode}: {complaints.decode()[-4000:]}")
    return written.decode()


def _print(result: Mapping[str, Any], path: Path) -> None:
    console = Console(highlight=False)
    console.print(
        f"{result['machine']}, code-server {result['code_server']}, {result['lines']:,} lines, "
        f"{result['keys']:,} keys each, {result['shown']} times a suggestion was shown"
    )
    table = Table(box=None, pad_edge=False)
    for header in ("from key to screen", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(header, justify="left" if header.startswith("from") else "right")
    for label, name in (("without the extension", "key_off"), ("with it", "key_on"), ("added", "added_key")):
        table.add_row(label, *(f"{result[f'{share}_{name}_ms']:.2f}" for share in ("p50", "p95", "p99")))
    console.print(table)
    by_round = ", ".join(f"{added['p95']:.2f}" for added in result["added_key_ms_by_round"])
    low, high = result["p95_added_key_ms_low"], result["p95_added_key_ms_high"]
    console.print(f"added p95: {low:.2f} to {high:.2f} ms (95 % of resampled turns); by round {by_round}")
    console.print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())
