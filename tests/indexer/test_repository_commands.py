"""``hearth repo``, ``hooks``, ``jobs`` and ``work`` as people and scripts run them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.cli import main
from tests.conftest import Repository

MakeRepository = Callable[..., Repository]
Hearth = Callable[..., "subprocess.CompletedProcess[str]"]
HEARTH = Path(sys.executable).with_name("hearth")
FILES = {"a.py": "def first_function():\n    return 1\n"}


@pytest.fixture
def hearth(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hearth:
    """Run ``hearth``, in this process, on ``data`` with ``tmp_path/hearth.toml``: empty unless a test writes it."""
    (tmp_path / "hearth.toml").touch()
    monkeypatch.setenv("HEARTH_CONFIG", str(tmp_path / "hearth.toml"))

    def run(*arguments: str, on_data: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["hearth", *arguments, *(("--data", str(data)) if on_data else ())]
        monkeypatch.setattr(sys, "argv", command)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(command, ended.value.code, *capsys.readouterr())

    return run


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_repository_is_registered_indexed_listed_and_removed(make_repository: MakeRepository, hearth: Hearth) -> None:
    repository = make_repository(FILES)
    added = printed(hearth("repo", "add", str(repository.path), "--branch", "main", "--json"))
    assert (added["name"], added["branches"], added["changed"]) == ("demo", ["main"], True)
    assert "registered already" in hearth("repo", "add", str(repository.path), "--branch", "main").stdout
    assert printed(hearth("repo", "list", "--json"))[0]["state"] == "waiting"
    work = hearth("work", "--once")
    assert work.returncode == 0, work.stderr
    assert "demo: index done" in work.stdout
    [row] = printed(hearth("repo", "list", "--json"))
    assert (row["state"], row["refs"][0]["behind"], row["error"]) == ("ready", 0, "")
    repository.commit({"b.py": "b = 1\n"})
    assert printed(hearth("repo", "list", "--json"))[0]["refs"][0]["behind"] == 1
    assert "demo: removed" in hearth("repo", "remove", "demo").stdout
    assert printed(hearth("status", "--json")) == printed(hearth("jobs", "list", "--json")) == []
    assert hearth("repo", "remove", "demo").returncode == 4


def test_a_repository_that_was_only_indexed_can_be_removed(make_repository: MakeRepository, hearth: Hearth) -> None:
    hearth("index", str(make_repository(FILES).path), "--name", "mine")
    assert hearth("repo", "remove", "mine").returncode == 0
    assert printed(hearth("status", "--json")) == []


def test_a_repository_keeps_the_name_that_it_has_in_the_index(make_repository: MakeRepository, hearth: Hearth) -> None:
    path = str(make_repository(FILES).path)
    hearth("index", path, "--name", "mine")
    assert printed(hearth("repo", "add", path, "--json"))["name"] == "mine"


def test_pausing_and_resuming(make_repository: MakeRepository, hearth: Hearth) -> None:
    hearth("repo", "add", str(make_repository(FILES).path))
    assert hearth("repo", "pause", "demo").returncode == 0
    hearth("work", "--once")
    assert printed(hearth("repo", "list", "--json"))[0]["state"] == "paused"
    assert printed(hearth("status", "--json")) == []
    assert hearth("repo", "resume", "demo").returncode == 0
    hearth("work", "--once")
    assert printed(hearth("status", "--json"))[0]["name"] == "demo"
    assert hearth("repo", "pause", "nobody").returncode == 4


def test_a_job_that_was_set_aside_is_shown_tried_again_and_dropped(
    make_repository: MakeRepository, hearth: Hearth, tmp_path: Path
) -> None:
    (tmp_path / "hearth.toml").write_text("[repositories]\nattempts = 1\n")
    repository = make_repository(FILES)
    hearth("repo", "add", str(repository.path))
    repository.path.rename(tmp_path / "moved")
    hearth("work", "--once")
    [job] = printed(hearth("jobs", "list", "--json"))
    assert job["state"] == "failed"
    assert "does not exist" in job["error"]
    assert "does not exist" in hearth("jobs", "list").stdout
    assert hearth("jobs", "retry", str(job["job_id"])).returncode == 0
    assert printed(hearth("jobs", "list", "--json"))[0]["state"] == "waiting"
    assert hearth("jobs", "drop", str(job["job_id"])).returncode == 0
    assert hearth("jobs", "drop", str(job["job_id"])).returncode == 4


@pytest.mark.parametrize(
    "source", ["file:///etc", "ext::sh -c id", "http://example.com/a", "https://u:p@example.com/a"]
)
def test_sources_that_are_not_allowed_are_refused_with_a_reason(hearth: Hearth, source: str) -> None:
    done = hearth("repo", "add", source)
    assert done.returncode == 3
    assert "u:p" not in done.stderr
    assert printed(hearth("repo", "list", "--json")) == []


def test_the_configuration_registers_repositories(
    make_repository: MakeRepository, hearth: Hearth, tmp_path: Path
) -> None:
    file = tmp_path / "hearth.toml"
    path = str(make_repository(FILES).path)
    file.write_text(f'[[repository]]\nsource = "{path}"\nname = "configured"\n')
    assert "[[repository]]" in hearth("config", "show").stdout
    hearth("work", "--once")
    assert printed(hearth("status", "--json"))[0]["name"] == "configured"
    for change in (("pause", "configured"), ("add", path), ("remove", "configured")):
        assert "configured stands in hearth.toml" in hearth("repo", *change).stderr
        # What was changed by command lasts until the settings are read again.
        hearth("work", "--once")
        [row] = printed(hearth("repo", "list", "--json"))
        assert (row["name"], row["state"], row["origin"]) == ("configured", "ready", "configuration")
    file.write_text('[[repository]]\nsource = "ext::sh"\n')
    done = hearth("work", "--once")
    assert done.returncode == 2
    assert "[[repository]]" in done.stderr
    file.write_text('[[repository]]\nsource = "/a"\nbranch = "main"\n')
    assert "hearth.toml:3: repository.0.branch: unknown setting" in hearth("config", "check", on_data=False).stdout
    file.write_text("")
    hearth("work", "--once")
    assert printed(hearth("status", "--json")) == []


def test_hooks_are_installed_shown_and_taken_out(
    make_repository: MakeRepository, hearth: Hearth, tmp_path: Path
) -> None:
    path = str(make_repository(FILES).path)
    installed = printed(hearth("hooks", "install", path, "--json"))
    assert installed["hooks"] == ["post-commit", "post-merge", "post-checkout", "post-rewrite"]
    assert [row["name"] for row in printed(hearth("repo", "list", "--json"))] == ["demo"]
    assert "telling" in hearth("hooks", "status", path, on_data=False).stdout
    assert hearth("hooks", "notify", path, on_data=False).returncode == 0
    assert "no hooks" in hearth("hooks", "uninstall", path, on_data=False).stdout
    assert hearth("hooks", "notify", path, on_data=False).returncode == 13
    (tmp_path / "token").write_text("secret")
    unsafe = hearth("hooks", "install", path, "--server", "http://example.com", "--token-file", str(tmp_path / "token"))
    assert unsafe.returncode == 13
    assert "unencrypted" in unsafe.stderr


def test_one_process_works_off_a_queue_at_a_time(make_repository: MakeRepository, hearth: Hearth, data: Path) -> None:
    hearth("repo", "add", str(make_repository(FILES).path))
    running = subprocess.Popen([HEARTH, "work", "--data", str(data)], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        while "done" not in running.stdout.readline():
            pass
        assert hearth("work", "--once").returncode == 7
        assert "as soon as the index is free" in hearth("repo", "remove", "demo").stdout
        while "remove done" not in running.stdout.readline():
            pass
    finally:
        running.terminate()
        running.communicate()
    assert running.returncode == 0
