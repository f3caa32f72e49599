"""What servers and commands ask of the index."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexer.api import Index, parse_source
from indexer.store.catalog import expand_ranges
from indexer.store.damage import noted_damage
from indexer.types import IndexState, Scope
from tests.conftest import Repository
from tests.indexer.conftest import IndexInto

MakeRepository = Callable[..., Repository]
EVERYTHING = Scope()


def test_an_absent_directory_is_an_empty_index(data: Path) -> None:
    with Index.open(data) as index:
        assert index.repositories() == []
        assert index.search("anything", EVERYTHING) == []
        assert index.symbols("any", EVERYTHING) == []
        assert index.definitions("any", EVERYTHING) == []
        assert index.paths("nothing") == []
        assert index.corpus("nothing") is None
        assert index.locate(data / "x.py") is None
        assert index.refresh() is False
    assert not data.exists()


def test_what_is_published_appears_after_refresh_only(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"a.py": "def first():\n    return 1\n"})
    index_into(repository.path)
    assert opened.search("first", EVERYTHING) == []
    before = opened.generation()
    assert opened.refresh()
    assert opened.generation() > before
    assert opened.search("first", EVERYTHING)[0].path == "a.py"
    assert opened.refresh() is False


def test_what_a_writer_took_away_is_no_damage(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    repository = make_repository({"a.py": "def first():\n    return 1\n"})
    index_into(repository.path)
    opened.refresh()
    repository.commit({"a.py": "def second():\n    return 2\n"}, "Go on")
    index_into(repository.path)
    opened.check()
    assert not noted_damage(data)
    assert opened.search("second", EVERYTHING)[0].path == "a.py"


def test_files_are_located_in_work_trees_links_and_subdirectories(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, tmp_path: Path
) -> None:
    repository = make_repository({"lib/a.py": "x = 1\n"})
    repository.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "linked"))
    (tmp_path / "shortcut").symlink_to(repository.path)
    other = make_repository({"b.py": "y = 1\n"}, "other")
    index_into(repository.path)
    opened.refresh()
    assert opened.locate(repository.path / "lib" / "a.py") == ("demo", "lib/a.py")
    assert opened.locate(repository.path / "lib" / "new.py") == ("demo", "lib/new.py")
    assert opened.locate(tmp_path / "linked" / "lib" / "a.py") == ("demo", "lib/a.py")
    assert opened.locate(tmp_path / "shortcut" / "lib" / "a.py") == ("demo", "lib/a.py")
    assert opened.locate(repository.path / "lib" / ".." / "lib" / "a.py") == ("demo", "lib/a.py")
    assert opened.locate(other.path / "b.py") is None
    assert opened.locate(tmp_path / "outside.py") is None


def test_symbols_are_found_by_prefix_words_and_letters(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    names = ["Engine", "engine_room", "SteamEngine", "EnterGinError", "wheel", "weird_100%"]
    index_into(make_repository({"a.py": "".join(f"class {name.rstrip('%')}:\n    pass\n\n\n" for name in names)}).path)
    opened.refresh()

    def find(query: str) -> list[str]:
        return [hit.symbol.name for hit in opened.symbols(query, EVERYTHING)]

    assert find("Engine")[:3] == ["Engine", "engine_room", "SteamEngine"]
    assert find("engine")[0] == "Engine"
    assert "EnterGinError" in find("eginer")
    assert find("whl") == ["wheel"]
    assert find("100%") == []
    assert find("") == []
    assert len(opened.symbols("e", EVERYTHING, limit=2)) == 2


def test_definitions_of_many_names_come_from_one_query_and_leave_open_files_out(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    files = {f"m{n}.py": f"def shared():\n    return {n}\n\n\ndef own_{n}():\n    return {n}\n" for n in range(5)}
    index_into(make_repository(files).path)
    opened.refresh()
    hits = opened.definitions_of(["shared", "own_3", "absent"], EVERYTHING, limit=2)
    assert [(hit.path, hit.symbol.name) for hit in hits if hit.symbol.name == "own_3"] == [("m3.py", "own_3")]
    assert [hit.path for hit in hits if hit.symbol.name == "shared"] == ["m0.py", "m1.py"]
    scope = Scope(exclude=frozenset({("demo", "m0.py"), ("demo", "m1.py")}))
    assert [hit.path for hit in opened.definitions("shared", scope, limit=2)] == ["m2.py", "m3.py"]


def test_open_documents_shadow_their_indexed_text_inside_the_search(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    text = "def shadowed():\n    return 1\n"
    index_into(make_repository({"a.py": text, "copy.py": text, "b.py": "def other():\n    return 2\n"}).path)
    opened.refresh()
    both = Scope(exclude=frozenset({("demo", "a.py"), ("demo", "copy.py")}))
    one = Scope(exclude=frozenset({("demo", "a.py")}))
    assert {hit.path for hit in opened.search("shadowed", one)} == {"copy.py", "b.py"}
    assert {hit.path for hit in opened.search("shadowed", both)} == {"b.py"}
    assert opened.search("shadowed", EVERYTHING.only("demo", "nowhere")) == []


def test_an_index_can_be_searched_by_commit(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"a.py": "def old():\n    return 1\n"})
    old = repository.git("rev-parse", "HEAD")
    repository.commit({"a.py": "def new():\n    return 1\n"})
    index_into(repository.path, "main", old[:12])
    opened.refresh()
    assert opened.commit("demo", old) == old
    assert opened.search("old", Scope(ref=old))[0].symbol == "old"
    assert opened.file_text("demo", old[:12], "a.py") == "def old():\n    return 1\n"


def test_history_and_distance_come_from_the_source_while_it_is_there(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({"a.py": "x = 1\ny = 2\n"})
    repository.commit({"a.py": "x = 1\ny = 3\n"}, "raise y")
    index_into(repository.path)
    repository.commit({"a.py": "x = 1\ny = 4\n"}, "raise y again")
    opened.refresh()
    assert [entry.subject for entry in opened.history("demo", "a.py", 2, 2)] == ["raise y", "first"]
    assert opened.repositories(ask_source=True)[0].refs[0].behind == 1
    assert opened.repositories()[0].refs[0].behind == -1
    repository.path.rename(repository.path.with_name("moved"))
    assert opened.history("demo", "a.py", 2, 2) == ()
    assert opened.repositories(ask_source=True)[0].refs[0].behind == -1
    assert opened.search("x", EVERYTHING)[0].path == "a.py"


def test_threads_read_while_another_run_publishes(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    repository = make_repository({f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(20)})
    index_into(repository.path)
    opened.refresh()
    stop = threading.Event()

    def read(number: int) -> int:
        rounds = 0
        while not stop.is_set() or rounds == 0:
            opened.refresh()
            hits = opened.search(f"number_{number}", EVERYTHING, 3)
            assert hits
            for hit in hits:
                # Another reader may refresh in between, so the one file that changes is left out.
                assert hit.path == "m19.py" or hit.text in (opened.file_text("demo", "", hit.path) or "")
            assert opened.definitions(f"number_{number}", EVERYTHING)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read, number) for number in range(4)]
        try:
            for generation in range(3):
                repository.commit({"m19.py": f"def changed_{generation}():\n    return 1\n"})
                index_into(repository.path)
        finally:
            stop.set()
        assert all(reader.result(timeout=60) for reader in readers)
    opened.refresh()
    assert opened.definitions("changed_2", EVERYTHING)


def test_a_run_that_was_killed_does_not_look_as_if_it_went_on(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    index_into(make_repository({"a.py": "x = 1\n"}).path)
    assert opened.repositories()[0].refs[0].state is IndexState.READY
    (data / "worker.pid").write_text("999999999\n")
    assert opened.repositories()[0].refs[0].state is IndexState.READY


def test_the_corpus_of_a_ref_holds_its_files(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index, data: Path
) -> None:
    repository = make_repository({"a.py": "x = 1\n", "b.py": "y = 2\n"})
    index_into(repository.path)
    opened.refresh()
    corpus = opened.corpus("demo")
    assert corpus is not None
    assert sorted(file.path for file in corpus.files) == ["a.py", "b.py"]
    assert opened.corpus("demo") is corpus
    repository.commit({"c.py": "z = 3\n"})
    index_into(repository.path)
    opened.refresh()
    newer = opened.corpus("demo")
    assert newer is not None
    assert sorted(file.path for file in newer.files) == ["a.py", "b.py", "c.py"]
    assert len(list((data / "corpora").iterdir())) == 1


def test_text_outside_of_the_index_is_parsed_alike() -> None:
    parsed = parse_source("import os\n\ndef go():\n    return os.sep\n", "python")
    assert [symbol.name for symbol in parsed.symbols] == ["go"]
    assert [imported.module for imported in parsed.imports] == ["os"]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [([], []), ([(5, 2), (1, 3)], [1, 2, 3, 5, 6]), ([(7, 1)], [7]), ([(2, 0), (9, 1)], [9])],
)
def test_ranges_of_ids_expand_in_order(ranges: list[tuple[int, int]], expected: list[int]) -> None:
    ids = expand_ranges(ranges)
    assert ids.dtype == np.int64
    assert ids.tolist() == expected


def test_a_file_open_in_one_repository_is_still_found_in_another(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    text = "def shared():\n    return 1\n"
    index_into(make_repository({"a.py": text}, "first").path)
    index_into(make_repository({"b.py": text}, "second").path)
    opened.refresh()
    scope = Scope(exclude=frozenset({("first", "a.py")}))
    assert {(hit.repository, hit.path) for hit in opened.search("shared", scope)} == {("second", "b.py")}
    both = Scope(exclude=frozenset({("first", "a.py"), ("second", "b.py")}))
    assert opened.search("shared", both) == []
    assert opened.search("shared", EVERYTHING)
