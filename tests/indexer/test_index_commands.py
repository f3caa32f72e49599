"""``hearth index``, ``hearth status`` and ``hearth skips`` as people and scripts run them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from indexer.api import Index
from indexer.cli import register
from indexer.cli_options import IndexSettings
from indexer.config import IndexConfig, RepositoriesConfig
from indexer.errors import UnknownRepository
from tests.conftest import Repository
from tests.indexer.conftest import IndexInto

MakeRepository = Callable[..., Repository]
Hearth = Callable[..., "subprocess.CompletedProcess[str]"]
Invoke = Callable[..., Result]
HEARTH = Path(sys.executable).with_name("hearth")


@pytest.fixture
def hearth(data: Path, tmp_path: Path) -> Hearth:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HEARTH, *arguments, "--data", str(data)],
            cwd=tmp_path,
            env={**os.environ, "HEARTH_CONFIG": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def invoke(data: Path) -> Invoke:
    """Run a command in this process; the worker is a process all the same."""

    def run(*arguments: str) -> Result:
        app = typer.Typer()
        register(app)
        settings = IndexSettings(data, IndexConfig(), RepositoriesConfig(), ())
        return CliRunner().invoke(app, arguments, obj=lambda _data, _config: settings)

    return run


def parsed(done: subprocess.CompletedProcess[str] | Result) -> Any:
    return json.loads(done.stdout)


def test_indexing_reports_as_json_and_tells_progress_on_stderr(make_repository: MakeRepository, hearth: Hearth) -> None:
    repository = make_repository({"a.py": "x = 1\n", "logo.png": b"\x89PNG\0"})
    done = hearth("index", str(repository.path), "--json")
    assert done.returncode == 0, done.stderr
    [report] = parsed(done)
    assert (report["repository"], report["ref"], report["files"], report["skipped"]) == ("demo", "main", 1, 1)
    assert "demo main: reading blobs" in done.stderr
    [status] = parsed(hearth("status", "--json"))
    assert status["refs"][0]["state"] == "ready"
    assert status["refs"][0]["behind"] == 0
    [skip] = parsed(hearth("skips", "demo", "--reason", "binary", "--json"))
    assert (skip["path"], skip["reason"]) == ("logo.png", "binary")
    text = hearth("skips").stdout
    assert "logo.png" in text
    assert "1 binary" in text


def test_one_repository_that_fails_does_not_stop_the_others(
    make_repository: MakeRepository, invoke: Invoke, tmp_path: Path
) -> None:
    good, empty = make_repository({"a.py": "x = 1\n"}, "good"), make_repository(name="empty")
    (tmp_path / "plain").mkdir()
    done = invoke("index", str(tmp_path / "plain"), str(empty.path), str(good.path), "--json")
    assert done.exit_code == 3
    results = parsed(done)
    assert [result.get("error", {}).get("code") for result in results] == ["not-a-repository", "repository", None]
    assert results[2]["repository"] == "good"
    assert "is not a git repository" in done.stderr
    assert "has no commits yet" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["index"], ["index", "--ref", "main"], ["index", "a", "b", "--name", "x"], ["skips", "--reason", "dislike"]],
)
def test_mistakes_in_the_command_line_are_usage_errors(invoke: Invoke, data: Path, arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2
    assert not data.exists()


def test_skips_of_an_unknown_repository_name_the_known_ones(
    make_repository: MakeRepository, index_into: IndexInto, invoke: Invoke
) -> None:
    index_into(make_repository({"a": "1"}).path)
    error = invoke("skips", "nothing").exception
    assert isinstance(error, UnknownRepository)
    assert "demo" in error.advice


def test_status_of_an_empty_index_says_how_to_begin(invoke: Invoke) -> None:
    done = invoke("status")
    assert done.exit_code == 0
    assert "hearth index" in done.stdout
    assert parsed(invoke("status", "--json")) == []


def test_rebuild_brings_every_known_repository_back(
    make_repository: MakeRepository, index_into: IndexInto, invoke: Invoke, data: Path
) -> None:
    first, second = make_repository({"a.py": "x = 1\n"}, "first"), make_repository({"b.py": "y = 1\n"}, "second")
    index_into(first.path, name="one")
    index_into(second.path)
    (data / "lexical" / "meta.json").write_text("rubbish")
    assert invoke("index", "--rebuild", str(second.path)).exit_code == 0
    with Index.open(data) as index:
        assert [status.name for status in index.repositories()] == ["one", "second"]
        assert index.paths("one") == ["a.py"]


def test_a_damaged_index_is_begun_anew_with_a_warning_and_brought_back_by_the_next_command(
    make_repository: MakeRepository, index_into: IndexInto, invoke: Invoke, data: Path
) -> None:
    first, second = make_repository({"a.py": "x = 1\n"}, "first"), make_repository({"b.py": "y = 1\n"}, "second")
    index_into(first.path, name="one")
    index_into(second.path)
    (data / "lexical" / "meta.json").write_text("rubbish")
    [report] = parsed(invoke("index", str(second.path), "--json"))
    assert "damaged" in report["warnings"][-1]
    with Index.open(data) as index:
        assert index.paths("one") == []
    assert invoke("index").exit_code == 0
    with Index.open(data) as index:
        assert index.paths("one") == ["a.py"]


def test_an_interrupt_stops_the_worker_too(make_repository: MakeRepository, data: Path) -> None:
    repository = make_repository({f"m{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(300)})
    with subprocess.Popen(
        [HEARTH, "index", str(repository.path), "--data", str(data)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline()  # The worker has begun.
        worker = int((data / "worker.pid").read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_terminal_gets_a_bar(make_repository: MakeRepository, data: Path) -> None:
    repository = make_repository({"a.py": "x = 1\n"})
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [HEARTH, "index", str(repository.path), "--data", str(data)],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    ) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        assert process.wait() == 0
    os.close(ours)
    assert b"\xe2\x94\x81" in shown  # The line that the bar is drawn with.
    assert b"1 files" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux reports the end of a terminal as an error.
        return b""
