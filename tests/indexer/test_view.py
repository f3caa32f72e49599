"""Views of an index: all of it, at one moment, however busy it is, and apart from it ever after."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.api import Index
from indexer.backup import view_index
from indexer.config import IndexConfig
from indexer.errors import BackupError
from indexer.types import IndexJob, Scope
from indexer.worker import run_job
from tests.conftest import Repository

EVERYTHING = Scope()


def digests(data: Path) -> dict[str, str]:
    """Return the digest of every file, without what readers write."""
    return {
        str(file.relative_to(data)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(data.rglob("*"))
        if file.is_file() and not file.name.endswith(("-shm", "-wal", ".lock"))
    }


def run_into(data: Path, source: Path) -> None:
    run_job(IndexJob(str(source)), data, IndexConfig(), lambda _: None)


def functions(count: int, prefix: str) -> dict[str, str]:
    return {f"{prefix}/part_{n}.py": f"def {prefix}_{n}(value):\n    return value + {n}\n" for n in range(count)}


def test_a_view_has_all_of_the_index_and_neither_changes_the_other(
    make_repository: Callable[..., Repository], index_into: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    repository = make_repository(functions(20, "old"))
    index_into(repository.path)
    (data / "accounts.sqlite").write_text("secret")
    view = tmp_path / "view"
    view_index(data, view)
    assert not (view / "accounts.sqlite").exists()
    vectors = next((data / "vectors").glob("*.npy"))
    assert vectors.samefile(view / "vectors" / vectors.name), "nothing large is copied"
    before = digests(data)
    other = make_repository(functions(20, "other"), "another")
    run_into(view, other.path)
    repository.commit(functions(5, "old") | {"old/part_0.py": "def changed():\n    pass\n"})
    run_into(view, repository.path)
    assert digests(data) == before
    with Index.open(view) as seen, Index.open(data) as source:
        assert {status.name for status in seen.repositories()} == {"demo", "another"}
        assert seen.search("other 7", EVERYTHING)
        assert seen.search("changed", EVERYTHING)[0].symbol == "changed"
        assert {status.name for status in source.repositories()} == {"demo"}
        assert source.search("old 7", EVERYTHING)[0].symbol == "old_7"
    index_into(other.path)
    with Index.open(view) as seen:
        assert seen.search("old 9", EVERYTHING)


def test_views_are_whole_while_others_index(
    make_repository: Callable[..., Repository], index_into: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    repository = make_repository(functions(10, "begin"))
    index_into(repository.path)
    stop = threading.Event()

    def go_on() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            repository.commit(functions(5, f"more{number}"))
            index_into(repository.path)

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        for number in range(8):
            view_index(data, tmp_path / f"view{number}")
            with Index.open(tmp_path / f"view{number}") as seen:
                assert seen.search("begin 3", EVERYTHING)[0].symbol == "begin_3"
                (status,) = seen.repositories()
                assert len(seen.paths("demo")) == status.refs[0].files
    finally:
        stop.set()
        writer.join()


def test_what_is_missing_is_noticed(
    make_repository: Callable[..., Repository],
    index_into: Callable[..., Any],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("indexer.backup.view._PAUSE_SECONDS", 0.0)
    index_into(make_repository(functions(3, "x")).path)
    next((data / "vectors").glob("*.vec.npy")).unlink()
    with pytest.raises(BackupError, match="changes too quickly"):
        view_index(data, tmp_path / "view")
    assert not (tmp_path / "view").exists()
    (tmp_path / "nothing").mkdir()
    view_index(tmp_path / "nothing", tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []
