"""What is done ahead of the first completion."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from indexer.config import IndexConfig
from indexer.types import IndexJob
from indexer.worker import run_job
from server.cli.assembly import assemble
from server.cli.warmup import warm_up
from server.config import DataConfig, HearthConfig
from tests.conftest import Repository


def test_each_repository_with_code_is_completed_in_once(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    data = tmp_path / "data"
    shop = make_repository({"shop/cart.py": "import os\n\n\ndef total(prices):\n    return sum(prices)\n"}, name="shop")
    notes = make_repository({"README.md": "# Notes\n"}, name="notes")
    for repository in (shop, notes):
        run_job(IndexJob(source=str(repository.path)), data, IndexConfig(), lambda _: None)
    program = assemble(HearthConfig(data=DataConfig(data)))
    folders = [Path(shop.path), Path(shop.path) / "shop", Path(notes.path), tmp_path / "elsewhere"]
    assert warm_up(program, folders) == 1
    asyncio.run(program.close())


def test_nothing_to_read_is_no_failure(tmp_path: Path) -> None:
    program = assemble(HearthConfig(data=DataConfig(tmp_path / "data")), tolerant=True)
    assert warm_up(program, [tmp_path]) == 0
    asyncio.run(program.close())
