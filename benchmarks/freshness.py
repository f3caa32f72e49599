"""How soon after a push its code is found: from ``git push`` to a search that returns it, through hook and queue.

``python -m benchmarks.freshness [--data DIR] [--pushes N] [--files N]``. ``--data`` names a data directory with a large
index, which is copied; without it the index holds this repository alone. Also measured: what the hook adds to a push.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.latency.hearth import HEARTH
from benchmarks.pushing import PushedRepository, pushed_name, run
from benchmarks.report import environment, summary, write
from indexer.api import Index
from indexer.types import Scope

_ROOT = Path(__file__).resolve().parents[1]
_GIVE_UP_SECONDS = 60.0
_LOOK_SECONDS = 0.01


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freshness", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="data directory with the index to push into; it is copied")
    parser.add_argument("--pushes", type=int, default=40)
    parser.add_argument("--files", type=int, default=10, help="files that each push changes")
    parser.add_argument("--output", type=Path, help="file for the JSON [default: in benchmarks/results/]")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hearth-freshness-") as scratch:
        measured = asyncio.run(_measure(Path(scratch), options.data, options.pushes, options.files))
    result = {**environment(), "pushes": options.pushes, "files": options.files, **measured}
    path = write("freshness", result, options.output)
    if options.json:
        print(json.dumps(result))
    else:
        _print(result, path)
    return 0


async def _measure(scratch: Path, index: Path | None, pushes: int, files: int) -> dict[str, Any]:
    data = scratch / "data"
    if index is not None:
        shutil.copytree(index, data)
    else:
        run(HEARTH, "index", str(_ROOT), "--data", str(data))
    repository = PushedRepository(scratch)
    plain = [repository.push(number, files)[1] for number in range(pushes)]
    repository.install_hook(data)
    hooked: list[float] = []
    fresh: list[float] = []
    async with _working(data):
        with Index.open(data) as opened:
            await _until_found(opened, pushed_name(pushes - 1))
            for number in range(pushes, 2 * pushes):
                began, seconds = await asyncio.to_thread(repository.push, number, files)
                hooked.append(seconds)
                await _until_found(opened, pushed_name(number))
                fresh.append(time.perf_counter() - began)
            chunks = sum(ref.chunks for status in opened.repositories() for ref in status.refs)
    return {
        "chunks": chunks,
        **summary("push_to_searchable", fresh),
        **summary("push_without_hook", plain),
        **summary("push_with_hook", hooked),
    }


@asynccontextmanager
async def _working(data: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        HEARTH, "work", "--data", str(data), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _until_found(index: Index, name: str) -> None:
    """Ask as an editor's server does: look whether something was published, then search."""
    looked = False
    async with asyncio.timeout(_GIVE_UP_SECONDS):
        while True:
            if index.refresh() or not looked:
                looked = True
                if any(name in hit.text for hit in index.search(name, Scope(), 5)):
                    return
            await asyncio.sleep(_LOOK_SECONDS)


def _print(result: dict[str, Any], path: Path) -> None:
    console = Console(highlight=False)
    console.print(f"{result['machine']}, {result['chunks']:,} chunks, {result['files']} files a push")
    table = Table(box=None, pad_edge=False)
    for header in ("", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(header, justify="right" if header else "left")
    for name in ("push_to_searchable", "push_without_hook", "push_with_hook"):
        table.add_row(
            name.replace("_", " "), *(f"{result[f'{share}_{name}_ms']:,.0f}" for share in ("p50", "p95", "p99"))
        )
    console.print(table)
    console.print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())
