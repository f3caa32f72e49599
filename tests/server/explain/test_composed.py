"""Explanations written without a model, compared word for word with golden/SOURCE.txt.LINES.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.api import Index
from server.config import ExplainConfig
from server.context.resolution import Resolver
from server.engine.embedded.explanation import compose_explanation
from server.explain import ExplainTarget
from server.explain.facts import FactFinder
from server.types import Citation, ExplainRequest, Fact, FactKind
from tests.server.indexed import SHOP

GOLDEN = Path(__file__).parent / "golden"
LANGUAGES = {
    ".py": "python",
    ".ts": "typescript",
    ".go": "go",
    ".java": "java",
    ".rs": "rust",
    ".md": "markdown",
    ".yaml": "yaml",
}


def explain(index: Index | None, target: ExplainTarget) -> str:
    return compose_explanation(FactFinder(index, Resolver(index), ExplainConfig()).find(target))


@pytest.mark.parametrize("golden", sorted(path.name for path in GOLDEN.glob("*.md")))
def test_explanations_read_as_agreed(golden: str) -> None:
    source, lines = golden.removesuffix(".md").rsplit(".", 1)
    first, _, last = lines.partition("-")
    path = source.removesuffix(".txt")
    target = ExplainTarget(
        path=path,
        language=LANGUAGES[Path(path).suffix],
        text=(GOLDEN / source).read_text(),
        start_line=int(first),
        end_line=int(last or first),
        whole_symbol=not last,
    )
    assert explain(None, target) == (GOLDEN / golden).read_text()


def test_use_and_history_come_from_the_index(shop: Index) -> None:
    text = explain(shop, ExplainTarget("shop/pricing.py", "python", SHOP["shop/pricing.py"], 16, 16, True, "shop"))
    assert "**Used by** 1 place in 1 file (1 other definition of that name; uses are told apart by imports" in text
    assert "- `total` in shop/orders.py:8 [2]: `return round_price(" in text
    assert ": Open the shop" in text


def test_no_claim_is_made_without_facts() -> None:
    text = compose_explanation(ExplainRequest("a.py", "python", "", 1, 1))
    assert text == "`a.py`, line 1.\n"


def test_marks_count_facts_that_have_a_citation() -> None:
    cited = Citation("r", "a.py", 1, 2, "c")
    request = ExplainRequest(
        "a.py",
        "python",
        "def f(): ...",
        1,
        1,
        symbol="f",
        facts=(
            Fact(FactKind.SIGNATURE, "function f", "def f()", cited),
            Fact(FactKind.DOCUMENTATION, "function f", "Does."),
            Fact(FactKind.USES, "function g", "def g()", cited),
        ),
    )
    text = compose_explanation(request)
    assert "[1]" in text
    assert "[2]" in text
    assert "[3]" not in text


def test_a_question_is_not_pretended_to_be_answered() -> None:
    text = compose_explanation(ExplainRequest("a.py", "python", "x = 1", 1, 1, question="Why?"))
    assert "without a model" in text


def test_code_with_backticks_stays_one_code_span() -> None:
    fact = Fact(FactKind.CALLER, "b.ts:3", "f(`x`)", Citation("r", "b.ts", 3, 3, "c"))
    count = Fact(FactKind.CALLER, "1 place in 1 file", "")
    text = compose_explanation(ExplainRequest("a.ts", "typescript", "", 1, 1, facts=(count, fact)))
    assert "`` f(`x`) ``" in text
