"""The measure of search quality measures what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.retrieval.scoring import Case, Gold, score
from benchmarks.retrieval.tasks import commit_task, documentation_task
from tests.conftest import Repository

MakeRepository = Callable[..., Repository]


def hit(path: str, start: int, end: int) -> dict[str, Any]:
    return {"path": path, "start_line": start, "end_line": end}


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (hit("a", 1, 100), True),
        (hit("a", 10, 14), True),
        (hit("a", 5, 13), False),
        (hit("a", 12, 13), True),
        (hit("a", 12, 12), False),
        (hit("b", 10, 19), False),
    ],
)
def test_gold_is_found_by_half_of_it_or_a_good_part_of_it(shown: dict[str, Any], found: bool) -> None:
    assert Gold("a", 10, 19).found_by(shown) is found


def test_scores_average_over_cases_and_cuts() -> None:
    cases = [Case("x", "r", (Gold("a", 1, 10), Gold("b", 1, 10))), Case("y", "r", (Gold("c", 1, 4),))]
    answers = [[hit("z", 1, 9), hit("a", 1, 10)], []]
    scores = score(cases, answers)
    assert scores["found@1"] == 0.0
    assert scores["found@5"] == 25.0
    assert scores["lines@5"] == 25.0
    assert scores["files@20"] == 25.0
    assert scores["mrr"] == 25.0


def test_commits_become_cases_at_their_parents(make_repository: MakeRepository) -> None:
    repository = make_repository({"a.py": "one = 1\ntwo = 2\n", "b.py": "three = 3\n"})
    parent = repository.git("rev-parse", "HEAD")
    repository.commit({"a.py": "one = 1\ntwo = 22\n"}, "Make two larger than before (#12)\n\nSigned-off-by: A <a@b.c>")
    repository.commit({"b.py": "three = 4\n"}, "wip")
    task = commit_task(repository.path, 10, seed=0)
    (case,) = task.cases
    assert case.query == "Make two larger than before"
    assert case.ref == parent
    assert case.gold == (Gold("a.py", 2, 2),)
    assert task.excluded["message says nothing"] == 1


def test_documentation_is_removed_before_its_function_is_looked_for(
    make_repository: MakeRepository, tmp_path: Path
) -> None:
    body = "".join(f"    value_{number} = {number}\n" for number in range(8))
    documented = f'def total(cart):\n    """Add up the prices of all items. And more."""\n{body}'
    short = f'def other(cart):\n    """Nothing."""\n{body}'
    go = f"package a\n\n// Close ends every connection of the pool.\nfunc Close() {{\n{body}}}\n"
    repository = make_repository({"a.py": documented + short, "a.go": go, "tests/test_a.py": documented})
    task = documentation_task(repository.path, 10, 0, tmp_path / "scratch", mask_names=False)
    assert {case.query for case in task.cases} == {
        "Add up the prices of all items.", "Close ends every connection of the pool."
    }  # fmt: skip
    python = (task.repository / "a.py").read_text()
    assert "prices" not in python
    assert "Nothing" not in python
    assert "every connection" not in (task.repository / "a.go").read_text()
    assert {case.gold[0].start_line for case in task.cases} == {1, 4}
    masked = documentation_task(repository.path, 10, 0, tmp_path / "scratch", mask_names=True)
    assert "def f(cart)" in (masked.repository / "a.py").read_text()
