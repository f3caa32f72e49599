"""An index of an earlier version, and what the first run of this one makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.api import Index, overview
from indexer.config import IndexConfig, RepositoriesConfig
from indexer.errors import OlderData
from indexer.queue import Queue, Repository
from indexer.types import IndexState, Scope
from indexer.worker import upgrade_index
from indexer.worker.dispatch import Dispatcher
from tests.indexer.conftest import IndexInto
from tests.indexer.older import make_index_1
from tests.indexer.worker.test_dispatch import MakeRepository

FILES = {f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(5)}
SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture
def older(make_repository: MakeRepository, index_into: IndexInto, data: Path) -> Path:
    """A data directory with two repositories, as version 1 left it: with a secret in every file."""
    shop = make_repository(FILES, "shop")
    shop.git("branch", "stable")
    index_into(shop.path, "main", "stable")
    index_into(make_repository({"t.py": "def tool():\n    return 0\n"}, "tools").path)
    make_index_1(data, SECRET)
    assert stored(data, SECRET)
    return data


def stored(data: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in data.rglob("*") if file.is_file())


def shown(data: Path) -> dict[str, list[str]]:
    with Index.open(data) as index:
        return {
            status.name: [ref.ref for ref in status.refs if ref.state is IndexState.READY]
            for status in index.repositories()
        }


def test_who_only_reads_is_told_what_to_do(older: Path) -> None:
    with pytest.raises(OlderData, match="version 1") as caught:
        Index.open(older)
    assert "hearth index" in caught.value.advice


def test_repositories_stay_and_what_may_hold_a_secret_goes(older: Path) -> None:
    assert upgrade_index(older)
    assert not upgrade_index(older)
    assert not stored(older, SECRET)
    with Index.open(older) as index:
        assert index.search("number_3", Scope()) == []
        statuses = {status.name: [ref.ref for ref in status.refs] for status in index.repositories()}
        assert statuses == {"shop": ["main", "stable"], "tools": ["main"]}
        assert "indexed anew" in index.repositories()[0].refs[0].error


def test_the_next_run_indexes_anew_by_itself(older: Path, index_into: IndexInto, tmp_path: Path) -> None:
    (report, _) = index_into(tmp_path / "shop")
    assert report.blobs_processed == len(FILES)
    with Index.open(older) as index:
        assert index.search("number_3", Scope(), 1)[0].path == "m3.py"
        index.check()


async def test_the_dispatcher_indexes_anew_what_is_registered_and_what_is_not(older: Path, tmp_path: Path) -> None:
    with Queue(older) as queue:
        queue.register(Repository("shop", str(tmp_path / "shop"), ("main", "stable")))
        assert await Dispatcher(older, IndexConfig(), RepositoriesConfig(), queue).drain()
        assert shown(older) == {"shop": ["main", "stable"], "tools": ["main"]}
        assert queue.jobs() == []
        assert await Dispatcher(older, IndexConfig(), RepositoriesConfig(), queue).drain()
        assert queue.jobs() == []


def test_an_upgrade_that_was_killed_half_way_is_done_again(older: Path) -> None:
    # What was made of files goes first, and then the rows that speak of it.
    for name in ("lexical", "corpora"):
        (older / name).rename(older.parent / name)
    assert upgrade_index(older)
    with overview.open_catalog(older) as catalog:
        assert [status.name for status in overview.repositories(catalog)] == ["shop", "tools"]
