"""How far refs are behind: as git says, whatever moves and however it is stored, and without git while nothing does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.diff import Distances, GitSource
from indexer.diff.git import run_git
from tests.conftest import Repository


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of each git process."""
    made: list[tuple[Any, ...]] = []

    def counted(*arguments: Any, **options: Any) -> bytes:
        made.append(arguments)
        return run_git(*arguments, **options)

    monkeypatch.setattr("indexer.diff.source.run_git", counted)
    return made


def test_git_is_asked_again_only_when_something_moved(
    make_repository: Callable[..., Repository], calls: list[tuple[Any, ...]]
) -> None:
    repository = make_repository({"a.py": "x = 1\n"})
    first = repository.git("rev-parse", "HEAD")
    git_dir, distances = str(repository.path / ".git"), Distances()

    def behind(ref: str = "main", indexed: str = first) -> int:
        return distances.commits_behind(git_dir, indexed, ref)

    def quietly(expected: int, ref: str = "main") -> None:
        calls.clear()
        assert behind(ref) == expected
        assert not calls, "nothing has moved"

    assert behind() == 0
    quietly(0)
    second = repository.commit({"a.py": "x = 2\n"})
    assert behind() == 1
    quietly(1)
    # The other side moves: the commit that is indexed.
    assert behind(indexed=second) == 0
    assert behind() == 1
    repository.git("pack-refs", "--all")
    repository.commit({"a.py": "x = 3\n"})
    repository.git("pack-refs", "--all")
    assert behind() == 2
    quietly(2)
    # A force push, a tag that is hidden by a branch, a branch that goes and comes.
    repository.git("reset", "--quiet", "--hard", first)
    assert behind() == 0
    repository.git("tag", "release", second)
    assert behind("release") == 1
    repository.git("branch", "release", first)
    assert behind("release") == 0
    repository.git("branch", "--quiet", "-D", "release")
    repository.git("tag", "-d", "release")
    assert behind("release") == -1
    quietly(-1, "release")
    repository.git("branch", "release", second)
    assert behind("release") == 1
    assert behind(first) == 0
    repository.path.rename(repository.path.with_name("moved"))
    for ref in ("main", "release", first):
        assert behind(ref) == -1


def test_refs_are_followed_in_bare_repositories_and_work_trees(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    source = make_repository({"a.py": "x = 1\n"})
    bare = Repository(tmp_path / "bare.git")
    bare.path.mkdir()
    bare.git("init", "--quiet", "--bare", "--initial-branch=main")
    source.git("push", "--quiet", str(bare.path), "main")
    source.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    first, distances = source.git("rev-parse", "HEAD"), Distances()
    linked = str(GitSource.open(tmp_path / "side").git_dir)
    for number in range(1, 4):
        source.commit({"a.py": f"x = {number + 1}\n"})
        source.git("push", "--quiet", str(bare.path), "main")
        assert distances.commits_behind(str(bare.path), first, "main") == number
        assert distances.commits_behind(linked, first, "main") == number
        assert distances.commits_behind(str(source.path / ".git"), first, "HEAD") == number
        assert distances.commits_behind(linked, first, "side") == 0


def test_names_of_refs_lead_nowhere_else(make_repository: Callable[..., Repository]) -> None:
    repository = make_repository({"a.py": "x = 1\n"})
    first = repository.git("rev-parse", "HEAD")
    for ref in ("../../a.py", "refs/../../a.py", "x\0y", "", "-x", "x" * 5000):
        assert Distances().commits_behind(str(repository.path / ".git"), first, ref) == -1
