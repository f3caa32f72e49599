"""What goes wrong around the index is said clearly, and what was published stands."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indexer.api import Index
from indexer.config import IndexConfig
from indexer.errors import DataDirectoryError, IndexBusy, IndexCorrupt, IndexerError, UnknownRepository
from indexer.store.lock import writer_lock, writer_process
from indexer.types import IndexJob, Progress, Scope
from indexer.worker import discard_index, run_job, spawn, spawn_async
from tests.conftest import Repository
from tests.indexer.conftest import IndexInto

MakeRepository = Callable[..., Repository]
FILES = {f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(12)}


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read everything, so that the test of permissions gives that up for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_data_path_that_is_a_file_is_refused(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    data.write_text("mine")
    with pytest.raises(DataDirectoryError, match="is a file"):
        Index.open(data)
    with pytest.raises(DataDirectoryError, match="is a file"):
        index_into(make_repository(FILES).path)
    assert data.read_text() == "mine"


def test_a_data_directory_without_permission_says_so(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    repository = make_repository(FILES)
    index_into(repository.path)
    for mode in (0o000, 0o500):
        data.chmod(mode)
        try:
            with unprivileged(), pytest.raises(DataDirectoryError) as caught:
                index_into(repository.path)
        finally:
            data.chmod(0o700)
        assert "--data" in caught.value.advice
    data.chmod(0o000)
    try:
        with unprivileged(), pytest.raises(DataDirectoryError):
            Index.open(data)
    finally:
        data.chmod(0o700)


def damage_database(data: Path) -> None:
    for suffix in ("-wal", "-shm"):
        (data / f"hearth.sqlite{suffix}").unlink(missing_ok=True)
    (data / "hearth.sqlite").write_bytes(b"this is not a database, whatever its name says" * 100)


def damage_middle_of_database(data: Path) -> None:
    path = data / "hearth.sqlite"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def no_version(data: Path) -> None:
    connection = sqlite3.connect(data / "hearth.sqlite")
    connection.execute("DELETE FROM meta WHERE key = 'schema'")
    connection.commit()
    connection.close()


def damage_lexical(data: Path) -> None:
    (data / "lexical" / "meta.json").write_text("{ not json")


def remove_lexical(data: Path) -> None:
    shutil.rmtree(data / "lexical")


def damage_vectors(data: Path) -> None:
    for path in (data / "vectors").glob("*.vec.npy"):
        path.write_bytes(path.read_bytes()[:50])


def remove_vectors(data: Path) -> None:
    shutil.rmtree(data / "vectors")


@pytest.mark.parametrize(
    "damage",
    [
        damage_database,
        damage_middle_of_database,
        no_version,
        damage_lexical,
        remove_lexical,
        damage_vectors,
        remove_vectors,
    ],
)
def test_damage_is_noticed_and_the_advice_mends_it(
    make_repository: MakeRepository, index_into: IndexInto, data: Path, damage: Callable[[Path], None]
) -> None:
    repository = make_repository(FILES)
    index_into(repository.path)
    damage(data)

    def read_everything() -> None:
        with Index.open(data) as index:
            index.check()
            index.search("number_3", Scope(), 5)

    with pytest.raises(IndexCorrupt) as caught:
        read_everything()
    assert "hearth index --rebuild" in caught.value.advice
    discard_index(data)
    index_into(repository.path)
    with Index.open(data) as index:
        assert index.search("number_3", Scope(), 1)[0].path == "m3.py"


def test_an_open_index_notices_that_it_was_rebuilt(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    repository = make_repository(FILES)
    index_into(repository.path)
    with Index.open(data) as index:
        assert index.search("number_3", Scope(), 1)
        discard_index(data)
        repository.commit({"m3.py": "def rebuilt():\n    return 3\n"})
        index_into(repository.path)
        assert index.refresh()
        assert index.search("rebuilt", Scope(), 1)[0].path == "m3.py"
        assert index.file_text("demo", "", "m3.py") == "def rebuilt():\n    return 3\n"


def test_a_second_writer_is_told_who_the_first_is(make_repository: MakeRepository, data: Path) -> None:
    repository = make_repository(FILES)
    with writer_lock(data), pytest.raises(IndexBusy) as caught:
        list(spawn(IndexJob(str(repository.path)), data, IndexConfig()))
    assert str(os.getpid()) in caught.value.message
    assert "--wait" in caught.value.advice


def test_waiting_for_the_lock_gets_it(make_repository: MakeRepository, data: Path) -> None:
    repository = make_repository(FILES)
    code = (
        "import sys; from pathlib import Path; from indexer.store.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])):\n print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        assert writer_process(data) == holder.pid
        with closing(spawn(IndexJob(str(repository.path)), data, IndexConfig(), wait_seconds=60)) as events:
            holder.stdin.close()
            assert any(event for event in events)


def test_a_full_disk_is_an_error_and_the_publication_stands(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    repository = make_repository(FILES)
    index_into(repository.path)
    repository.commit({"big.py": "".join(f"def big_{n}():\n    return '{n * 7919}'\n\n\n" for n in range(5_000))})
    # A limit on the size of files stands in for a full disk: the system refuses to write either way.
    code = (
        "import resource, signal, sys; from pathlib import Path; from indexer.worker import run_job\n"
        "from indexer.config import IndexConfig; from indexer.types import IndexJob\n"
        "from indexer.errors import DiskFull\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))\n"
        "try:\n run_job(IndexJob(sys.argv[1]), Path(sys.argv[2]), IndexConfig(), lambda p: None)\n"
        "except DiskFull as error:\n print('full:', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(repository.path), str(data)], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("full:"), done.stderr
    with Index.open(data) as index:
        assert index.search("number_3", Scope(), 1)[0].path == "m3.py"
        assert len(index.paths("demo")) == len(FILES)
    assert index_into(repository.path)[0].files == len(FILES) + 1


def test_unknown_repositories_and_refs_name_what_there_is(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    with Index.open(data) as index, pytest.raises(UnknownRepository, match="no repository 'demo'"):
        index.commit("demo")
    index_into(make_repository(FILES).path)
    with Index.open(data) as index:
        with pytest.raises(UnknownRepository) as caught:
            index.skips("dem")
        assert "demo" in caught.value.advice
        with pytest.raises(UnknownRepository, match="not indexed at 'v1'"):
            index.commit("demo", "v1")


def test_an_interrupt_stops_cleanly_and_the_next_run_goes_on(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    repository = make_repository({f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(200)})

    def interrupt(progress: Progress) -> None:
        if progress.stage == "blobs" and progress.done >= 20:
            raise KeyboardInterrupt

    config = IndexConfig(batch_files=10)
    with pytest.raises(KeyboardInterrupt):
        run_job(IndexJob(str(repository.path)), data, config, interrupt)
    [report] = index_into(repository.path, config=config)
    assert report.files == 200
    assert report.blobs_processed <= 180


async def test_leaving_the_stream_of_events_ends_the_process(make_repository: MakeRepository, data: Path) -> None:
    repository = make_repository({f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(300)})
    events = spawn_async(IndexJob(str(repository.path)), data, IndexConfig(batch_files=5))
    async for _event in events:
        break
    process = writer_process(data)
    await events.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with Index.open(data) as index:
        assert all(ref.state != "indexing" for status in index.repositories() for ref in status.refs)


def test_a_worker_that_dies_is_reported_with_its_signal(make_repository: MakeRepository, data: Path) -> None:
    repository = make_repository({f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(300)})

    def kill_at_the_first_event() -> None:
        with closing(spawn(IndexJob(str(repository.path)), data, IndexConfig(batch_files=5))) as events:
            for _event in events:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(writer_process(data), signal.SIGKILL)

    with pytest.raises(IndexerError, match="killed by signal 9"):
        kill_at_the_first_event()


def test_a_damaged_corpus_is_found_and_built_again(
    data: Path, make_repository: MakeRepository, index_into: IndexInto
) -> None:
    source = make_repository(FILES, name="demo").path
    index_into(source)
    (corpus,) = (data / "corpora").glob("*/corpus.bin")
    corpus.write_bytes(b"rubbish")
    with Index.open(data) as index, pytest.raises(IndexCorrupt):
        index.check()
    index_into(source)
    with Index.open(data) as index:
        index.check()
        assert index.corpus("demo") is not None
