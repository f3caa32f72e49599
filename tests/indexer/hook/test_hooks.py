"""Hooks in real repositories: every push and commit is told, none waits or fails, and hooks of users keep working."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from indexer.errors import HookError
from indexer.hook.install import hook_status, install, uninstall
from indexer.hook.messenger import deliver
from indexer.hook.settings import HookSettings
from indexer.queue import Queue, Repository
from indexer.queue.spool import read, spool_directory
from indexer.worker.catchup import collect_spools
from tests.conftest import Repository as Clone
from tests.patience import WAIT_SECONDS

MakeRepository = Callable[..., Clone]

COMMAND = (sys.executable, "-P", "-m", "indexer.hook")


@dataclass(frozen=True, slots=True)
class Pushed:
    """A bare repository with the hook, a clone that pushes to it, and the queue that is told."""

    bare: Path
    clone: Clone
    queue: Queue

    def push(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "push", "--quiet", *arguments], cwd=self.clone.path, check=True, capture_output=True, text=True
        )
        return done.stderr

    def told(self) -> set[str]:
        """Wait until the messenger has been, and return the refs that wait then."""
        wait_until(lambda: not read(self.bare).files and not list(spool_directory(self.bare).iterdir()))
        return {job.ref for job in self.queue.jobs()}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def queue(data: Path) -> Iterator[Queue]:
    """The queue of ``data``."""
    with Queue(data) as opened:
        yield opened


@pytest.fixture
def pushed(tmp_path: Path, data: Path, queue: Queue, make_repository: MakeRepository) -> Pushed:
    """See :class:`Pushed`; nothing was pushed yet."""
    clone = make_repository({"a.py": "def first():\n    return 1\n"}, "clone")
    bare = tmp_path / "shop.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)], check=True)
    clone.git("remote", "add", "origin", str(bare))
    register(queue, "shop", bare)
    install(bare, HookSettings("shop", data=str(data)), COMMAND)
    return Pushed(bare, clone, queue)


def register(queue: Queue, name: str, source: Path) -> None:
    queue.register(Repository(name, str(source)))
    while claim := queue.claim():
        queue.finish(claim)


def test_a_push_is_told(pushed: Pushed) -> None:
    pushed.push("origin", "main")
    assert pushed.told() == {"main"}


def test_forced_pushes_tags_and_deleted_branches_are_told(pushed: Pushed) -> None:
    pushed.clone.git("tag", "v1")
    pushed.clone.git("branch", "topic/one")
    pushed.push("origin", "main", "v1", "topic/one")
    assert pushed.told() == {"main", "v1", "topic/one"}
    while claim := pushed.queue.claim():
        pushed.queue.finish(claim)
    pushed.clone.git("commit", "--quiet", "--amend", "--message", "again")
    pushed.push("--force", "origin", "main", ":topic/one")
    assert pushed.told() == {"main", "topic/one"}


def test_refs_that_are_never_indexed_are_not_told(pushed: Pushed) -> None:
    pushed.push("origin", "main:refs/notes/mine")
    assert pushed.told() == set()


def test_fifty_pushes_at_once_wait_as_one_job_and_start_few_messengers(pushed: Pushed) -> None:
    pushed.push("origin", "main")
    hook = pushed.bare / "hooks" / "post-receive"
    line = f"{'0' * 40} {'1' * 40} refs/heads/main\n"
    processes = [
        subprocess.Popen(["sh", str(hook)], stdin=subprocess.PIPE, cwd=pushed.bare, text=True) for _ in range(50)
    ]
    for process in processes:
        process.communicate(line)
        assert process.returncode == 0
    assert pushed.told() == {"main"}


def test_a_push_neither_waits_nor_fails_when_nobody_can_be_told(pushed: Pushed, data: Path) -> None:
    install(pushed.bare, HookSettings("shop", server="https://127.0.0.1:9", token_file="/nonexistent"), COMMAND)
    complaint = pushed.push("origin", "main")
    assert complaint == ""
    wait_until(lambda: bool(hook_status(pushed.bare).problem))
    status = hook_status(pushed.bare)
    assert status.waiting == 1
    assert "token file" in status.problem
    # The server catches up when it starts, and with the next push that gets through.
    assert collect_spools(pushed.queue) == ["shop"]
    assert {job.ref for job in pushed.queue.jobs()} == {"main"}
    assert hook_status(pushed.bare).waiting == 0


def test_a_spool_that_nobody_takes_stays_small_and_goes_with_the_next_delivery(pushed: Pushed, data: Path) -> None:
    spool = spool_directory(pushed.bare)
    spool.mkdir(parents=True)
    for number in range(200):
        (spool / f"{number}.refs").write_text(f"0 1 refs/heads/b{number % 4}\n")
    install(pushed.bare, HookSettings("shop", server="http://127.0.0.1:9", token_file=str(spool / "0.refs")), COMMAND)
    with pytest.raises(HookError, match="cannot be reached"):
        deliver(pushed.bare)
    assert len(read(pushed.bare).files) == 1
    install(pushed.bare, HookSettings("shop", data=str(data)), COMMAND)
    assert deliver(pushed.bare) == 4
    assert pushed.told() == {f"b{n}" for n in range(4)}


def test_the_hook_does_not_hold_the_connection_of_the_push_open(pushed: Pushed) -> None:
    # A messenger that hangs for a minute, as one does whose server does not answer.
    install(pushed.bare, HookSettings("shop"), ("sleep", "60", "#"))
    script = pushed.bare / "hooks" / "post-receive"
    script.write_text(script.read_text().replace("exec sleep 60 '#'", "exec sleep 60 #"))
    began = time.monotonic()
    done = subprocess.run(
        ["sh", str(script)], input="0 1 refs/heads/main\n", capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == done.stderr == ""
    assert time.monotonic() - began < 30


def test_a_hook_that_was_there_sees_its_input_and_keeps_its_exit_status(pushed: Pushed, tmp_path: Path) -> None:
    hook = pushed.bare / "hooks" / "post-receive"
    uninstall(pushed.bare)
    seen = tmp_path / "seen"
    mine = f"#!/bin/sh -eu\ncat >'{seen}'\nexit 3\n"
    hook.write_text(mine)
    hook.chmod(0o755)
    install(pushed.bare, HookSettings("shop", data=str(tmp_path / "data")), COMMAND)
    install(pushed.bare, HookSettings("shop", data=str(tmp_path / "data")), COMMAND)
    assert hook.read_text().count("# >>> hearth >>>") == 1
    lines = "".join(f"{n:040} {n + 1:040} refs/heads/b{n}\n" for n in range(3_000))
    done = subprocess.run(["sh", "-eu", str(hook)], input=lines, cwd=pushed.bare, text=True, check=False)
    assert done.returncode == 3
    assert seen.read_text() == lines
    assert len(pushed.told()) == 3_000
    uninstall(pushed.bare)
    assert hook.read_text() == mine


def test_hooks_that_are_no_shell_scripts_are_left_alone(pushed: Pushed, data: Path) -> None:
    hook = pushed.bare / "hooks" / "post-receive"
    text = "#!/usr/bin/env python3\nprint('mine')\n"
    uninstall(pushed.bare)
    hook.write_text(text)
    with pytest.raises(HookError, match="python3") as caught:
        install(pushed.bare, HookSettings("shop", data=str(data)), COMMAND)
    assert "Rename it" in caught.value.advice
    assert hook.read_text() == text


def test_uninstalling_leaves_nothing_behind(pushed: Pushed) -> None:
    status = uninstall(pushed.bare)
    assert (status.hooks, status.settings) == ((), None)
    assert not (pushed.bare / "hooks" / "post-receive").exists()


def test_clones_tell_of_commits_checkouts_merges_and_rewrites(
    make_repository: MakeRepository, data: Path, queue: Queue
) -> None:
    clone = make_repository({"a.py": "a = 1\n"})
    register(queue, "demo", clone.path)
    git_dir = clone.path / ".git"
    status = install(clone.path, HookSettings("demo", data=str(data)), COMMAND)
    assert status.hooks == ("post-commit", "post-merge", "post-checkout", "post-rewrite")

    def told(*command: str) -> set[str]:
        clone.git(*command)
        wait_until(lambda: bool(queue.jobs()) and not list(spool_directory(git_dir).iterdir()))
        refs = {job.ref for job in queue.jobs()}
        while claim := queue.claim():
            queue.finish(claim)
        return refs

    assert told("commit", "--quiet", "--allow-empty", "--message", "one") == {"HEAD", "main"}
    assert told("checkout", "--quiet", "-b", "topic") == {"HEAD", "topic"}
    clone.write({"b.py": "b = 1\n"})
    clone.git("add", "--all")
    assert told("commit", "--quiet", "--message", "two") == {"HEAD", "topic"}
    assert told("checkout", "--quiet", "main") == {"HEAD", "main"}
    assert told("merge", "--quiet", "topic") == {"HEAD", "main"}
    assert told("commit", "--quiet", "--amend", "--message", "three") == {"HEAD", "main"}
    assert "main" in told("rebase", "--quiet", "--force-rebase", "HEAD~1")


def test_linked_work_trees_tell_of_their_own_branch(
    make_repository: MakeRepository, data: Path, queue: Queue, tmp_path: Path
) -> None:
    clone = make_repository({"a.py": "a = 1\n"})
    register(queue, "demo", clone.path)
    install(clone.path, HookSettings("demo", data=str(data)), COMMAND)
    linked = tmp_path / "linked"
    clone.git("worktree", "add", "--quiet", "-b", "side", str(linked))
    Clone(linked).commit({"c.py": "c = 1\n"})
    wait_until(lambda: "side" in {job.ref for job in queue.jobs()})


def test_hooks_follow_core_hooks_path_inside_the_repository_only(
    make_repository: MakeRepository, data: Path, tmp_path: Path
) -> None:
    clone = make_repository({"a.py": "a = 1\n"})
    settings = HookSettings("demo", data=str(data))
    clone.git("config", "core.hooksPath", ".githooks")
    install(clone.path, settings, COMMAND)
    assert (clone.path / ".githooks" / "post-commit").exists()
    clone.git("add", "--all", "--force")
    with pytest.raises(HookError, match="versioned"):
        install(clone.path, settings, COMMAND)
    clone.git("config", "core.hooksPath", str(tmp_path / "shared"))
    with pytest.raises(HookError, match="other repositories"):
        install(clone.path, settings, COMMAND)


def test_a_token_goes_to_no_server_unencrypted(pushed: Pushed, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    spool_directory(pushed.bare).mkdir(parents=True)
    (spool_directory(pushed.bare) / "1.refs").write_text("0 1 refs/heads/main\n")
    install(pushed.bare, HookSettings("shop", server="http://example.com", token_file=str(token)), COMMAND)
    with pytest.raises(HookError, match="unencrypted"):
        deliver(pushed.bare)


def test_the_variables_that_git_sets_for_hooks_do_no_harm(pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", os.devnull)
    spool_directory(pushed.bare).mkdir(parents=True)
    (spool_directory(pushed.bare) / "1.refs").write_text("0 1 refs/heads/main\n")
    assert deliver(pushed.bare) == 1
