"""``python -m tests.fuzz [MINUTES]``: go on for so long, ten minutes if nothing is said; fails with what failed."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import Repository
from tests.fuzz.messages import MANY, streams
from tests.fuzz.sessions import examine, read_stream, standard_streams, web_socket
from tests.server.indexed import SHOP, build_index

_ROUND = 300
"""Examples between two looks at the clock, and between two starts of the servers."""


async def main(minutes: float) -> None:
    """Try examples against each way in by turns."""
    until = time.monotonic() + minutes * 60
    rounds = 0
    with tempfile.TemporaryDirectory(prefix="hearth-fuzz-") as name:
        directory = Path(name)
        data = _indexed(directory)
        while time.monotonic() < until:
            async with web_socket(data) as send:
                await examine(send, MANY, _ROUND)
            local = directory / f"local-{rounds}"
            local.mkdir()
            async with standard_streams(local) as send:
                await examine(send, MANY, _ROUND)
            await examine(lambda content: read_stream(content, directory / "own"), streams(), _ROUND)
            rounds += 1
            sys.stdout.write(f"{rounds * 3 * _ROUND:,} sessions in {rounds} rounds, and nothing unforeseen\n")
            sys.stdout.flush()


def _indexed(directory: Path) -> Path:
    (directory / "shop").mkdir()
    repository = Repository(directory / "shop")
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit(SHOP, "Begin")
    build_index(directory / "data", [repository]).close()
    return directory / "data"


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0))
