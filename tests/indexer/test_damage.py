"""Files of the data directory that are damaged at random: nothing wrong is shown, and one run mends everything."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from indexer.api import Index
from indexer.backup import INDEXER_PARTS, part_of
from indexer.config import IndexConfig
from indexer.errors import IndexCorrupt, IndexerError
from indexer.store.damage import begin_anew, note_damage, noted_damage
from indexer.store.database import discard_index, translated
from indexer.types import IndexJob, IndexState, Scope
from indexer.worker import run_job
from indexer.worker.damage import mend_index
from indexer.worker.events import ANEW
from tests.conftest import Repository

FILES = {
    f"area_{n % 3}/module_{n}.py": f"class Part{n}:\n    def compute_{n}(self):\n        return {n}\n"
    for n in range(12)
}
SEEDS = 40


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, Path]:
    """A repository, and a data directory in which it is indexed."""
    directory = tmp_path_factory.mktemp("damage")
    (directory / "demo").mkdir()
    repository = Repository(directory / "demo")
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit(FILES, "Begin")
    run_job(IndexJob(str(repository.path)), directory / "data", IndexConfig(), lambda _: None)
    return repository, directory / "data"


def flip_bits(content: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 8, 200))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def overwrite(content: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    length = chance.choice((1, 64, 4096))
    filling = bytes(length) if chance.random() < 0.5 else chance.randbytes(length)
    return bytes(content[:start]) + filling[: len(content) - start] + bytes(content[start + length :])


def cut_short(content: bytearray, chance: random.Random) -> bytes:
    return bytes(content[: chance.randrange(len(content))])


def damage(data: Path, chance: random.Random) -> str:
    """Damage one file, and say which and how."""
    files = sorted(file for file in data.rglob("*") if file.is_file() and file.stat().st_size)
    file = chance.choice(files)
    how = chance.choice((flip_bits, overwrite, cut_short, None))
    if how is None:
        file.unlink()
        return f"{file.relative_to(data)} was deleted"
    file.write_bytes(how(bytearray(file.read_bytes()), chance))
    return f"{file.relative_to(data)}: {how.__name__}"


def read_all(data: Path) -> Iterator[IndexerError]:
    """Ask everything, hold each answer against what was committed, and yield what could not be answered."""
    try:
        index = Index.open(data)
    except IndexerError as error:
        yield error
        return
    with index:
        for path, text in FILES.items():
            try:
                found = index.file_text("demo", "", path)
            except IndexerError as error:
                yield error
            else:
                assert found in {None, text}
        questions: list[Callable[[], object]] = [
            index.repositories,
            lambda: index.symbols_of("demo", "", "area_0/module_3.py"),
            lambda: index.definitions("Part3", Scope()),
            lambda: index.symbols("Part", Scope()),
            lambda: index.references("compute_3", Scope()),
            lambda: index.skips("demo"),
            lambda: index.corpus("demo"),
            index.check,
        ]
        for question in questions:
            try:
                question()
            except IndexerError as error:
                yield error
        try:
            hits = index.search("compute part", Scope(), 12)
        except IndexerError as error:
            yield error
        else:
            for hit in hits:
                if hit.path in FILES and hit.text:
                    assert hit.text.strip() in FILES[hit.path]


def check_whole(data: Path) -> None:
    with Index.open(data) as index:
        index.check()
        assert sorted(index.paths("demo")) == sorted(FILES)
        for path, text in FILES.items():
            assert index.file_text("demo", "", path) == text
        assert index.search("compute_7", Scope(), 1)[0].path == "area_1/module_7.py"
        assert index.definitions("Part7", Scope())[0].path == "area_1/module_7.py"
        assert index.corpus("demo") is not None
    assert not noted_damage(data)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_damage_shows_nothing_wrong_and_one_run_mends_it(
    seed: int, source: tuple[Repository, Path], data: Path
) -> None:
    repository, sound = source
    shutil.copytree(sound, data)
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 3))):
        damage(data, chance)
    met = list(read_all(data))
    # Whoever writes is not a part of the index, and may be damaged without a sign.
    assert bool(noted_damage(data)) <= bool(met)
    run_job(IndexJob(str(repository.path)), data, IndexConfig(), lambda _: None)
    check_whole(data)


def spoil(file: Path) -> None:
    """Change a byte in the first half of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 0xFF
    file.write_bytes(content)


def test_what_was_indexed_besides_stays_known_and_waits(
    source: tuple[Repository, Path], data: Path, tmp_path: Path
) -> None:
    repository, sound = source
    shutil.copytree(sound, data)
    (tmp_path / "other").mkdir()
    other = Repository(tmp_path / "other")
    other.git("init", "--quiet", "--initial-branch=main")
    other.commit(FILES, "Begin")
    run_job(IndexJob(str(other.path)), data, IndexConfig(), lambda _: None)
    spoil(next((data / "lexical").glob("*.term")))
    with Index.open(data) as index, suppress(IndexerError):
        index.check()
    assert "not what was written" in noted_damage(data)
    stages: list[str] = []
    [report] = run_job(IndexJob(str(repository.path)), data, IndexConfig(), lambda told: stages.append(told.stage))
    assert "hearth index" in report.warnings[-1]
    assert ANEW in stages
    with Index.open(data) as index:
        statuses = {status.name: status.refs[0] for status in index.repositories()}
        assert (statuses["demo"].state, statuses["demo"].error) == (IndexState.READY, "")
        assert statuses["other"].state is IndexState.PENDING
        assert "damaged" in statuses["other"].error
        assert {hit.repository for hit in index.search("compute part", Scope(), 50)} == {"demo"}


def test_an_open_index_shows_what_was_made_anew(source: tuple[Repository, Path], data: Path) -> None:
    repository, sound = source
    shutil.copytree(sound, data)
    with Index.open(data) as index:
        spoil(next((data / "lexical").glob("*.term")))
        with pytest.raises(IndexCorrupt):
            index.check()
        run_job(IndexJob(str(repository.path)), data, IndexConfig(), lambda _: None)
        assert index.refresh()
        assert index.search("compute_7", Scope(), 1)[0].path == "area_1/module_7.py"


def test_a_check_reads_also_what_is_too_large_to_be_read_each_time(
    source: tuple[Repository, Path], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sound = source
    shutil.copytree(sound, data)
    monkeypatch.setattr("indexer.corpus.storage._VERIFIED_BYTES", 0)
    [corpus] = data.glob("corpora/*/corpus.bin")
    content = bytearray(corpus.read_bytes())
    content[-1] ^= 0xFF
    corpus.write_bytes(content)
    with Index.open(data) as index:
        assert index.corpus("demo") is not None
        with pytest.raises(IndexCorrupt, match="checksum"):
            index.check()
    assert "checksum" in noted_damage(data)


def test_a_report_of_damage_that_is_not_there_costs_a_look_only(source: tuple[Repository, Path], data: Path) -> None:
    repository, sound = source
    shutil.copytree(sound, data)
    note_damage(data, "a mistake")
    [report] = run_job(IndexJob(str(repository.path)), data, IndexConfig(), lambda _: None)
    assert report.blobs_processed == 0
    assert not report.warnings
    check_whole(data)


def test_an_unreadable_database_loses_names_only(source: tuple[Repository, Path], data: Path) -> None:
    repository, sound = source
    shutil.copytree(sound, data)
    (data / "hearth.sqlite").write_bytes(b"no database at all")
    run_job(IndexJob(str(repository.path)), data, IndexConfig(), lambda _: None)
    check_whole(data)


def test_damage_that_cannot_even_be_told_in_words_is_damage(tmp_path: Path) -> None:
    file = tmp_path / "hearth.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE fragments (text)")
        database.commit()
    file.write_bytes(file.read_bytes().replace(b"(text)", b"(te(t(").replace(b"fragments", b"\xe2ragments", 2))
    with (
        closing(sqlite3.connect(file)) as database,
        pytest.raises(IndexCorrupt, match="damaged"),
        translated(tmp_path),
    ):
        database.execute("SELECT * FROM fragments")


def test_what_is_killed_while_it_begins_anew_is_begun_once_more(
    source: tuple[Repository, Path], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, sound = source
    shutil.copytree(sound, data)
    for stop in ("discard_index", "connect_writer"):
        with monkeypatch.context() as patched:
            patched.setattr(f"indexer.store.damage.{stop}", interrupt)
            with pytest.raises(KeyboardInterrupt):
                begin_anew(data, "for a test")
        assert noted_damage(data)
    run_job(IndexJob(str(repository.path)), data, IndexConfig(), lambda _: None)
    check_whole(data)


def test_who_is_killed_before_the_new_index_has_its_place_loses_no_name(
    source: tuple[Repository, Path], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sound = source
    shutil.copytree(sound, data)
    with monkeypatch.context() as patched:
        patched.setattr("indexer.store.damage.discard_index", discard_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            begin_anew(data, "for a test")
    assert not (data / "hearth.sqlite").exists()
    assert [entry.name for entry in data.iterdir() if part_of(entry.name, INDEXER_PARTS) is None] == []
    assert mend_index(data, IndexConfig()) == "for a test"
    with Index.open(data) as index:
        assert [(status.name, status.refs[0].state) for status in index.repositories()] == [
            ("demo", IndexState.PENDING)
        ]
    assert not noted_damage(data)


def discard_and_interrupt(directory: Path) -> None:
    discard_index(directory)
    if (directory / ".anew").exists():
        raise KeyboardInterrupt


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt
