"""``python -m benchmarks.retrieval``: search quality on your own repositories.

For each ``--repo`` three kinds of cases are drawn, by a fixed seed, from what the repository says about itself: commit
messages (searched at the parent commit), first sentences of documentation (removed from the code first), and the same
with the function's name masked. ``--contextual DIR`` adds a set of questions. Everything goes through the real commands
``hearth index`` and ``hearth search --queries`` into a data directory of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import environment, write
from benchmarks.retrieval.scoring import CUTS, Case, score
from benchmarks.retrieval.tasks import Task, commit_task, contextual_task, documentation_task
from indexer.embed import default_embedder

HEARTH = str(Path(sys.executable).with_name("hearth"))
KINDS = ("commits", "documentation", "masked")


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repo", type=Path, action="append", default=[], help="a git repository; may be repeated")
    parser.add_argument("--contextual", type=Path, metavar="DIR", help="folder of a question set")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind of cases; may be repeated")
    parser.add_argument("--cases", type=int, default=60, help="cases of each kind and repository [default: 60]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="file for the JSON [default: in benchmarks/results/]")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    options = parser.parse_args()
    if not options.repo and options.contextual is None:
        options.repo = [Path(__file__).resolve().parents[2]]
    with tempfile.TemporaryDirectory(prefix="hearth-retrieval-") as scratch:
        rows = [
            _measure(task, Path(scratch), Path(scratch) / f"data-{number}")
            for number, task in enumerate(_tasks(options, Path(scratch)))
        ]
    result = {**environment(default_embedder().version), "seed": options.seed, "tasks": rows}
    path = write("retrieval", result, options.output)
    if options.json:
        print(json.dumps(result))
    else:
        _print(rows, path)
    return 0


def _tasks(options: argparse.Namespace, scratch: Path) -> Iterator[Task]:
    if options.contextual is not None:
        yield contextual_task(options.contextual, scratch)
    kinds = options.kind or KINDS
    for given in options.repo:
        repository = given.resolve()
        if "commits" in kinds:
            yield commit_task(repository, options.cases, options.seed)
        for kind in ("documentation", "masked"):
            if kind in kinds:
                yield documentation_task(repository, options.cases, options.seed, scratch, mask_names=kind == "masked")


def _measure(task: Task, scratch: Path, data: Path) -> dict[str, Any]:
    started = time.perf_counter()
    refs = [word for ref in task.refs for word in ("--ref", ref)]
    if task.cases:
        _hearth("index", str(task.repository), "--name", task.name, *refs, "--data", str(data))
    indexed = time.perf_counter()
    answers = _search(task.cases, data, scratch) if task.cases else []
    searched = time.perf_counter()
    return {
        "task": task.name,
        "n": len(task.cases),
        "excluded": dict(task.excluded),
        "index_s": round(indexed - started, 2),
        "search_ms": round(1000 * (searched - indexed) / max(1, len(task.cases)), 2),
        **score(task.cases, answers),
    }


def _search(cases: tuple[Case, ...], data: Path, scratch: Path) -> list[list[dict[str, Any]]]:
    queries = scratch / "queries.jsonl"
    with queries.open("w", encoding="utf-8") as file:
        for number, case in enumerate(cases):
            line = {"id": number, "query": case.query, "repo": case.repo, "ref": case.ref, "k": max(CUTS)}
            file.write(json.dumps(line) + "\n")
    printed = _hearth("search", "--queries", str(queries), "--json", "--data", str(data))
    return [json.loads(line)["hits"] for line in printed.splitlines()]


def _hearth(*arguments: str) -> str:
    done = subprocess.run([HEARTH, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"hearth {arguments[0]} failed:\n{done.stderr}")
    return done.stdout


def _print(rows: list[dict[str, Any]], path: Path) -> None:
    cuts = "/".join(map(str, CUTS))
    table = Table("task", "n", f"found@{cuts}", "lines@10", "files@10", "mrr", "ms", title="Search quality in percent")
    for row in rows:
        found = " ".join(str(row[f"found@{k}"]) for k in CUTS)
        values = (row["n"], found, row["lines@10"], row["files@10"], row["mrr"], row["search_ms"])
        table.add_row(row["task"], *map(str, values))
    console = Console()
    console.print(table)
    for row in rows:
        left_out = ", ".join(f"{count} ({reason})" for reason, count in row["excluded"].items())
        console.print(f"{row['task']}: left out {left_out or 'nothing'}", style="dim")
    console.print(f"Written to {path}")


if __name__ == "__main__":
    sys.exit(main())
