"""From commits to what the index shows: only what changed is processed, and what is gone is gone."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.api import Index
from indexer.chunk import chunk_text
from indexer.config import IndexConfig
from indexer.errors import NameTaken, RefNotFound, RepositoryError
from indexer.types import IndexState, ParsedFile, Scope, SkipReason
from tests.conftest import Repository
from tests.indexer.conftest import IndexInto

MakeRepository = Callable[..., Repository]
EVERYTHING = Scope()

ENGINE = 'def start_engine(fuel):\n    """Start it."""\n    return fuel * 2\n'
WHEELS = "import engine\n\n\ndef turn_wheels():\n    return engine.start_engine(4)\n"


def found(index: Index, query: str, scope: Scope = EVERYTHING) -> set[tuple[str, str]]:
    index.refresh()
    return {(hit.repository, hit.path) for hit in index.search(query, scope, 10)}


def count(data: Path, table: str) -> int:
    connection = sqlite3.connect(data / "hearth.sqlite")
    try:
        number: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    finally:
        connection.close()
    return number


def test_a_repository_is_searchable_with_text_symbols_and_imports(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"engine.py": ENGINE, "wheels.py": WHEELS, "notes.md": "# Fuel\r\nWe burn it.\r\n"})
    [report] = index_into(repository.path)
    head = repository.git("rev-parse", "HEAD")
    assert (report.repository, report.ref, report.commit, report.files) == ("demo", "main", head, 3)
    assert report.blobs_processed == 3
    opened.refresh()
    assert opened.paths("demo") == ["engine.py", "notes.md", "wheels.py"]
    assert opened.file_text("demo", "", "notes.md") == "# Fuel\r\nWe burn it.\r\n"
    assert opened.file_text("demo", "main", "nothing.py") is None
    assert [symbol.name for symbol in opened.symbols_of("demo", "", "engine.py")] == ["start_engine"]
    assert [imported.module for imported in opened.imports_of("demo", "", "wheels.py")] == ["engine"]
    assert opened.language("demo", "", "wheels.py") == "python"
    assert opened.commit("demo") == head
    [hit, *_] = opened.search("start engine", EVERYTHING, 5)
    assert (hit.path, hit.symbol, hit.commit, hit.start_line) == ("engine.py", "start_engine", head, 1)
    assert hit.text == ENGINE.rstrip("\n")
    [definition] = opened.definitions("start_engine", EVERYTHING)
    assert (definition.path, definition.symbol.documentation) == ("engine.py", "Start it.")
    assert [hit.path for hit in opened.references("start_engine", EVERYTHING)] == ["wheels.py"]


def test_only_changed_blobs_are_processed_again(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({f"module_{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(20)})
    assert index_into(repository.path)[0].blobs_processed == 20
    assert index_into(repository.path)[0].blobs_processed == 0
    repository.commit({"module_7.py": "def seven_changed():\n    return 7\n"})
    [report] = index_into(repository.path)
    assert (report.blobs_processed, report.files) == (1, 20)
    assert ("demo", "module_7.py") in found(opened, "seven_changed")
    assert opened.definitions("number_7", EVERYTHING) == []


def test_a_rename_processes_nothing_and_moves_the_file(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"engine.py": ENGINE})
    index_into(repository.path)
    repository.git("mv", "engine.py", "motor.py")
    repository.commit()
    assert index_into(repository.path)[0].blobs_processed == 0
    assert found(opened, "start_engine") == {("demo", "motor.py")}
    assert opened.paths("demo") == ["motor.py"]


def test_a_deleted_file_is_gone_everywhere_and_its_rows_are_collected(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    repository = make_repository({"engine.py": ENGINE, "wheels.py": WHEELS})
    index_into(repository.path)
    (repository.path / "engine.py").unlink()
    repository.commit()
    index_into(repository.path)
    assert found(opened, "start_engine") == {("demo", "wheels.py")}
    assert opened.definitions("start_engine", EVERYTHING) == []
    assert opened.file_text("demo", "", "engine.py") is None
    assert count(data, "blob") == 1
    assert count(data, "pending") == 0


def test_branches_share_blobs_and_are_searched_apart(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"engine.py": ENGINE, "wheels.py": WHEELS})
    repository.git("checkout", "--quiet", "-b", "electric")
    repository.commit({"engine.py": "def charge_battery():\n    return 1\n"})
    repository.git("checkout", "--quiet", "main")
    reports = index_into(repository.path, "main", "electric")
    assert [(report.ref, report.blobs_processed) for report in reports] == [("main", 2), ("electric", 1)]
    assert found(opened, "charge_battery", Scope(ref="electric")) == {("demo", "engine.py"), ("demo", "wheels.py")}
    assert opened.definitions("charge_battery", Scope(ref="main")) == []
    assert opened.definitions("start_engine", Scope(ref="electric")) == []
    assert opened.default_ref("demo") == "main"
    assert {hit.commit for hit in opened.search("engine", Scope(ref="electric"), 5)} == {reports[1].commit}


def test_two_repositories_share_blobs_but_not_answers(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    first = make_repository({"engine.py": ENGINE}, "first")
    second = make_repository({"copy/engine.py": ENGINE, "wheels.py": WHEELS}, "second")
    assert index_into(first.path)[0].blobs_processed == 1
    assert index_into(second.path)[0].blobs_processed == 1
    assert found(opened, "start_engine", EVERYTHING.only("second")) >= {("second", "copy/engine.py")}
    assert found(opened, "start_engine", EVERYTHING.only("first")) == {("first", "engine.py")}
    assert found(opened, "start_engine", Scope(frozenset())) == set()


def test_a_repository_that_drops_a_shared_file_no_longer_competes_with_it(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    first = make_repository({"engine.py": ENGINE, "wheels.py": WHEELS}, "first")
    second = make_repository({"engine.py": ENGINE}, "second")
    index_into(first.path)
    index_into(second.path)
    assert count(data, "tag") == 3
    (first.path / "engine.py").unlink()
    first.commit()
    index_into(first.path)
    assert count(data, "tag") == 2
    assert found(opened, "start_engine", EVERYTHING.only("second")) == {("second", "engine.py")}
    assert found(opened, "start_engine", EVERYTHING.only("first")) == {("first", "wheels.py")}


def test_a_detached_head_is_followed_and_left_commits_are_forgotten(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"engine.py": ENGINE})
    first = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "--quiet", "--detach")
    assert index_into(repository.path)[0].ref == first
    second = repository.commit({"wheels.py": WHEELS})
    assert [report.ref for report in index_into(repository.path)] == [second]
    opened.refresh()
    assert [ref.ref for ref in opened.repositories()[0].refs] == [second]
    repository.git("checkout", "--quiet", "main")
    assert [report.ref for report in index_into(repository.path, "HEAD")] == ["main"]
    opened.refresh()
    assert [ref.ref for ref in opened.repositories()[0].refs] == ["main"]


def test_a_branch_switch_is_followed_but_not_when_refs_were_chosen(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"engine.py": ENGINE})
    index_into(repository.path)
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit({"wheels.py": WHEELS})
    assert [report.ref for report in index_into(repository.path)] == ["main", "side"]
    opened.refresh()
    assert opened.default_ref("demo") == "side"
    chosen = make_repository({"engine.py": ENGINE}, "chosen")
    index_into(chosen.path, "main")
    chosen.git("checkout", "--quiet", "-b", "side")
    assert [report.ref for report in index_into(chosen.path)] == ["main"]


def test_a_force_push_shows_the_new_history_only(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"engine.py": ENGINE})
    first = repository.git("rev-parse", "HEAD")
    repository.commit({"wheels.py": WHEELS})
    index_into(repository.path)
    repository.git("reset", "--quiet", "--hard", first)
    [report] = index_into(repository.path)
    assert (report.commit, report.files, report.blobs_processed) == (first, 1, 0)
    assert found(opened, "turn_wheels") == {("demo", "engine.py")}


def test_a_deleted_branch_keeps_its_publication_until_pruned(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    repository = make_repository({"engine.py": ENGINE})
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit({"side.py": "def only_here():\n    return 1\n"})
    repository.git("checkout", "--quiet", "main")
    index_into(repository.path, "main", "side")
    repository.git("branch", "--delete", "--force", "side")
    main, side = index_into(repository.path)
    assert not main.warnings
    assert "gone" in side.warnings[0]
    assert "--prune" in side.warnings[0]
    assert found(opened, "only_here", Scope(ref="side")) >= {("demo", "side.py")}
    assert [ref.state for ref in opened.repositories()[0].refs] == [IndexState.READY, IndexState.FAILED]
    index_into(repository.path, prune=True)
    opened.refresh()
    assert [ref.ref for ref in opened.repositories()[0].refs] == ["main"]
    assert count(data, "blob") == 1


def test_what_is_left_out_is_listed_with_its_reason(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({
        "ok.py": "x = 1\n",
        "image.png": b"\x89PNG\r\n\0\0",
        "blob.xyz": b"abc\0def",
        "big.txt": "line\n" * 300,
        "empty.py": "",
        "vendor.min.js": "var a=1;",
        "made.py": "# Code generated by protoc. DO NOT EDIT.\nx = 1\n",
        "large.bin.txt": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "secret/key.txt": "k\n",
        ".hearthignore": "secret/\n",
    })  # fmt: skip
    (repository.path / "link.py").symlink_to("ok.py")
    repository.git("add", "--all")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/lib")
    repository.git("commit", "--quiet", "--message", "more")
    config = IndexConfig(max_file_bytes=1000)
    [report] = index_into(repository.path, config=config)
    opened.refresh()
    assert {skip.path: skip.reason for skip in opened.skips("demo")} == {
        "image.png": SkipReason.BINARY,
        "blob.xyz": SkipReason.BINARY,
        "big.txt": SkipReason.TOO_LARGE,
        "empty.py": SkipReason.EMPTY,
        "vendor.min.js": SkipReason.MINIFIED,
        "made.py": SkipReason.GENERATED,
        "large.bin.txt": SkipReason.LFS_POINTER,
        "secret/key.txt": SkipReason.IGNORED,
        "link.py": SkipReason.SYMLINK,
        "vendor/lib": SkipReason.SUBMODULE,
    }
    assert all(skip.detail for skip in opened.skips("demo"))
    assert (report.files, report.skipped) == (2, 10)
    assert index_into(repository.path, config=config)[0].blobs_processed == 0
    repository.commit({".hearthignore": "big.txt\n"})
    index_into(repository.path, config=config)
    opened.refresh()
    reasons = {skip.path: skip.reason for skip in opened.skips("demo")}
    assert reasons["big.txt"] is SkipReason.IGNORED
    assert "secret/key.txt" not in reasons


def test_a_setting_that_shapes_blobs_processes_them_again(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    repository = make_repository({"big.txt": "line\n" * 300, "ok.py": "x = 1\n"})
    assert index_into(repository.path, config=IndexConfig(max_file_bytes=1000))[0].files == 1
    [report] = index_into(repository.path)
    assert (report.files, report.blobs_processed) == (2, 2)
    assert found(opened, "line") >= {("demo", "big.txt")}
    assert count(data, "blob") == 2


def test_objects_that_arrive_later_are_indexed_without_a_new_commit(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, tmp_path: Path
) -> None:
    repository = make_repository({"engine.py": ENGINE})
    repository.git("config", "uploadpack.allowFilter", "true")
    partial = Repository(tmp_path / "partial")
    repository.git("clone", "--quiet", "--bare", "--filter=blob:none", f"file://{repository.path}", str(partial.path))
    [report] = index_into(partial.path)
    assert (report.files, report.skipped) == (0, 1)
    opened.refresh()
    assert opened.skips("partial")[0].reason is SkipReason.MISSING
    partial.git("cat-file", "-p", "HEAD:engine.py")  # Fetches what is missing.
    assert index_into(partial.path)[0].files == 1
    assert found(opened, "start_engine") == {("partial", "engine.py")}


def test_a_parser_that_fails_costs_the_syntax_not_the_file(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str, language: str) -> ParsedFile:
        if "start_engine(fuel)" in text and language == "python":
            raise RecursionError("too deep")
        return chunk_text(text, language)

    monkeypatch.setattr("indexer.worker.reading.chunk_text", broken)
    repository = make_repository({"engine.py": ENGINE, "wheels.py": WHEELS})
    [report] = index_into(repository.path)
    assert report.files == 2
    assert "engine.py" in report.warnings[0]
    assert found(opened, "fuel") >= {("demo", "engine.py")}


def test_names_are_unique_and_a_source_keeps_its_name(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    first = make_repository({"a.py": "x = 1\n"}, "one/shop")
    second = make_repository({"b.py": "y = 1\n"}, "two/shop")
    index_into(first.path)
    with pytest.raises(NameTaken) as caught:
        index_into(second.path)
    assert "--name" in caught.value.advice
    index_into(second.path, name="shop-two")
    assert index_into(second.path)[0].repository == "shop-two"
    assert index_into("shop-two")[0].repository == "shop-two"
    with pytest.raises(NameTaken):
        index_into(second.path, name="another")


def test_an_empty_repository_and_an_unknown_ref_leave_no_trace(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    with pytest.raises(RepositoryError, match="no commits"):
        index_into(make_repository(name="empty").path)
    assert opened.repositories() == []
    repository = make_repository({"a.py": "x = 1\n"})
    index_into(repository.path)
    with pytest.raises(RefNotFound):
        index_into(repository.path, "main", "nope")
    opened.refresh()
    assert [ref.ref for ref in opened.repositories()[0].refs] == ["main"]


def test_file_names_that_are_not_utf8_do_not_break_the_index(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository()
    path = Path(os.fsdecode(bytes(repository.path) + b"/caf\xe9.py"))
    path.write_text("def espresso():\n    return 1\n")
    repository.commit()
    assert index_into(repository.path)[0].files == 1
    assert found(opened, "espresso") == {("demo", "caf\\xe9.py")}
    assert opened.locate(path) == ("demo", "caf\\xe9.py")
    json.dumps(opened.paths("demo"), ensure_ascii=False).encode()


def test_many_batches_and_segments_are_merged(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    repository = make_repository({f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(40)})
    index_into(repository.path, config=IndexConfig(batch_files=2))
    assert count(data, "segment") == 1
    assert len(list((data / "vectors").glob("*.vec.npy"))) == 1
    assert found(opened, "number_33") >= {("demo", "m33.py")}
    assert opened.search("number_33", EVERYTHING, 1)[0].path == "m33.py"


def test_a_url_is_indexed_through_a_mirror_and_a_clone_of_it_is_located(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    repository = make_repository({"engine.py": ENGINE}, "upstream")
    url = f"file://{repository.path}"
    assert index_into(url)[0].repository == "upstream"
    repository.commit({"wheels.py": WHEELS})
    assert index_into("upstream")[0].blobs_processed == 1
    opened.refresh()
    assert opened.repositories()[0].source == url
    clone = data.parent / "clone"
    repository.git("clone", "--quiet", url, str(clone))
    assert opened.locate(clone / "engine.py") == ("upstream", "engine.py")
