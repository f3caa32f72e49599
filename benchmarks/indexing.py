"""How fast repositories are indexed: from nothing, again, and after a commit, beside the raw parser in the same run.

``python -m benchmarks.indexing [--repo PATH]... [--rounds N]``; ``make bench`` runs it. Every round indexes into a new
data directory through the real ``hearth index``. Whole process times are reported, with the start of the interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import environment, write
from benchmarks.typing import LANGUAGES, clone
from indexer.parse import detect_language, parse

HEARTH = str(Path(sys.executable).with_name("hearth"))
_CHANGED_FILES = 10
_IDENTITY = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")


@dataclass(frozen=True, slots=True)
class Run:
    """One finished ``hearth index``: wall and processor seconds, peak memory in MiB of its largest process."""

    seconds: float
    processor_s: float
    peak_mib: float
    report: dict[str, Any]


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indexing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repo", type=Path, action="append", help="a git repository; may be given several times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="file for the JSON [default: in benchmarks/results/]")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    options = parser.parse_args()
    repositories = options.repo or [Path(__file__).resolve().parents[1]]
    rows = [_measure(repository.resolve(), options.rounds) for repository in repositories]
    result = {**environment(), "rounds": options.rounds, "repositories": rows}
    path = write("indexing", result, options.output)
    if options.json:
        print(json.dumps(result))
    else:
        _print(result, path)
    return 0


def _measure(repository: Path, rounds: int) -> dict[str, Any]:
    full: list[Run] = []
    again: list[Run] = []
    changed: list[Run] = []
    raw: list[float] = []
    parsed_bytes = size = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="hearth-indexing-") as scratch:
            copy = clone(repository, Path(scratch))
            data = Path(scratch) / "data"
            full.append(_index(copy, data))
            size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
            again.append(_index(copy, data))
            _commit_change(copy, data)
            changed.append(_index(copy, data))
            seconds, parsed_bytes = _parse_only(copy)
            raw.append(seconds)
    report = full[0].report
    return {
        "repository": repository.parent.name if repository.name == "repo" else repository.name,
        "files": report["files"],
        "chunks": report["chunks"],
        "skipped": report["skipped"],
        "index_mb": round(size / 1e6, 2),
        "parsed_mb": round(parsed_bytes / 1e6, 2),
        "peak_mib": round(max(run.peak_mib for run in full), 1),
        **_spread("full_s", [run.seconds for run in full]),
        **_spread("full_processor_s", [run.processor_s for run in full]),
        **_spread("again_s", [run.seconds for run in again]),
        **_spread("changed_s", [run.seconds for run in changed]),
        "changed_blobs": changed[0].report["blobs_processed"],
        **_spread("parse_only_s", raw),
        "processor_to_parse_only": round(
            statistics.median(run.processor_s for run in full) / max(1e-9, statistics.median(raw)), 2
        ),
    }


def _index(repository: Path, data: Path) -> Run:
    """Run ``hearth index`` to its end, with the operating system's own account of what it used."""
    command = [HEARTH, "index", str(repository), "--data", str(data), "--json"]
    before = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - before
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    report = json.loads(output)
    return Run(
        seconds=seconds,
        processor_s=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        report=report[0] if isinstance(report, list) else report,
    )


def _commit_change(repository: Path, data: Path) -> None:
    """Commit a new line at the end of ten source files, through git's own index: the copy has no work tree."""
    names = _git(repository, "ls-tree", "-r", "--name-only", "-z", "HEAD").split("\0")
    chosen = [name for name in names if Path(name).suffix in LANGUAGES][:_CHANGED_FILES]
    environment = {
        **os.environ,
        "GIT_INDEX_FILE": str(data.parent / "change.index"),
        **{
            f"GIT_{role}_{part}": "bench@example.invalid"
            for role in ("AUTHOR", "COMMITTER")
            for part in ("NAME", "EMAIL")
        },
    }
    _git(repository, "read-tree", "HEAD", environment=environment)
    for name in chosen:
        text = _git(repository, "show", f"HEAD:{name}") + "\n"
        blob = _git(repository, "hash-object", "-w", "--stdin", standard_input=text).strip()
        _git(repository, "update-index", "--cacheinfo", f"100644,{blob},{name}", environment=environment)
    tree = _git(repository, "write-tree", environment=environment).strip()
    commit = _git(repository, "commit-tree", tree, "-p", "HEAD", "-m", "change", environment=environment).strip()
    _git(repository, "update-ref", "HEAD", commit)


def _parse_only(repository: Path) -> tuple[float, int]:
    """Return the processor seconds, and the bytes, of parsing every source file with tree-sitter and nothing else."""
    seconds = 0.0
    total = 0
    for name in _git(repository, "ls-tree", "-r", "--name-only", "-z", "HEAD").split("\0"):
        if Path(name).suffix in LANGUAGES:
            source = _git(repository, "cat-file", "blob", f"HEAD:{name}").encode(errors="surrogateescape")
            language = detect_language(name)
            started = time.process_time()
            parse(source, language)
            seconds += time.process_time() - started
            total += len(source)
    return seconds, total


def _git(
    repository: Path, *arguments: str, environment: dict[str, str] | None = None, standard_input: str | None = None
) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env=environment,
        input=None if standard_input is None else standard_input.encode(errors="surrogateescape"),
    )
    return done.stdout.decode(errors="surrogateescape")


def _spread(name: str, values: list[float]) -> dict[str, float]:
    return {
        name: round(statistics.median(values), 3),
        f"min_{name}": round(min(values), 3),
        f"max_{name}": round(max(values), 3),
    }


def _print(result: dict[str, Any], path: Path) -> None:
    console = Console()
    table = Table(title=f"indexing, median of {result['rounds']} rounds (min to max)")
    for heading in ("repository", "files", "chunks", "index MB", "peak MiB", "from nothing s", "again s", "10 files s"):
        table.add_column(heading, justify="left" if heading == "repository" else "right")
    for row in result["repositories"]:
        table.add_row(
            row["repository"],
            f"{row['files']:,}",
            f"{row['chunks']:,}",
            f"{row['index_mb']:.1f}",
            f"{row['peak_mib']:.0f}",
            *(
                f"{row[name]:.2f} ({row[f'min_{name}']:.2f} to {row[f'max_{name}']:.2f})"
                for name in ("full_s", "again_s", "changed_s")
            ),
        )
    console.print(table)
    for row in result["repositories"]:
        console.print(
            f"{row['repository']}: {row['processor_to_parse_only']} times the processor time of parsing alone; "
            f"{row['changed_blobs']} blobs processed after a commit of {_CHANGED_FILES} files"
        )
    console.print(f"{result['machine']}; commit {result['commit']}; written to {path}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
