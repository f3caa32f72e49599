"""``hearth explain``."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli.explain import finished_blocks
from tests.conftest import Repository
from tests.server.cli.conftest import CART, Hearth


def test_an_explanation_names_its_sources(hearth: Hearth, repository: Repository) -> None:
    outcome = hearth("explain", f"{repository.path}/shop/cart.py:9")
    assert outcome.code == 0, outcome.err
    assert "average" in outcome.out
    text, _, sources = outcome.out.partition("\nSources\n")
    assert "[1]" in text
    commit = repository.git("rev-parse", "HEAD")
    assert f"shop:shop/cart.py:8-9 @ {commit[:12]}" in sources


def test_as_json(hearth: Hearth) -> None:
    answer = hearth("explain", "shop:shop/cart.py:1-5", "--json").json()
    assert answer["engine"] == "embedded"
    assert "total" in answer["markdown"]
    for citation in answer["citations"]:
        assert f"[{citation['number']}]" in answer["markdown"]
        assert citation["repository"] == "shop"
        assert 1 <= citation["start_line"] <= citation["end_line"]


def test_a_definition_that_is_used_from_the_same_file_is_cited_at_its_commit(
    hearth: Hearth, repository: Repository
) -> None:
    answer = hearth("explain", "shop:shop/cart.py:9", "--json").json()
    used = [citation for citation in answer["citations"] if citation["title"] == "total"]
    assert used
    assert {citation["commit"] for citation in used} == {repository.git("rev-parse", "HEAD")}


def test_lines_that_do_not_exist(hearth: Hearth) -> None:
    for place, said in (
        ("shop:shop/cart.py:5-2", "ends before it begins"),
        ("shop:shop/cart.py:5-99", "has no line 99"),
        ("shop:shop/cart.py", "names no lines of a file"),
    ):
        outcome = hearth("explain", place)
        assert outcome.code == 11
        assert said in outcome.err


def test_a_file_outside_of_the_index_is_explained_by_itself(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "alone.py"
    file.write_text(CART)
    outcome = hearth("explain", f"{file}:1")
    assert outcome.code == 0, outcome.err
    assert f"] {file}:1-5" in outcome.out


@pytest.mark.parametrize(
    ("text", "finished", "growing"),
    [
        ("one", "", "one"),
        ("one\n\ntw", "one", "tw"),
        ("one\n\ntwo\n\n", "one\n\ntwo", ""),
        ("```py\na\n\nb\n", "", "```py\na\n\nb\n"),
        ("```py\na\n\nb\n```\n\nafter", "```py\na\n\nb\n```", "after"),
        ("````md\n```\n\n", "", "````md\n```\n\n"),
        ("", "", ""),
    ],
)
def test_only_whole_blocks_are_printed_for_good(text: str, finished: str, growing: str) -> None:
    assert finished_blocks(text) == (finished, growing)
