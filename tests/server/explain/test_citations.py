from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.explain.citations import CitationFilter
from server.types import Citation

CITATIONS = [Citation("shop", f"f{number}.py", 1, 2, "c") for number in (1, 2, 3)]


def shown(*deltas: str) -> tuple[str, list[int]]:
    marks = CitationFilter(CITATIONS)
    text = "".join(marks.feed(delta) for delta in deltas) + marks.finish()
    return text, [item.number for item in marks.cited]


@pytest.mark.parametrize(
    ("text", "expected", "cited"),
    [
        ("See [1] and [3].", "See [1] and [3].", [1, 3]),
        ("See [9].", "See.", []),
        ("Both [1, 2].", "Both [1][2].", [1, 2]),
        ("Some [1, 9].", "Some [1].", [1]),
        ("`items[9]` and [2]", "`items[9]` and [2]", [2]),
        ("```py\nitems[9]\n```\n[1]", "```py\nitems[9]\n```\n[1]", [1]),
        ("``a ` b[7]`` [7]", "``a ` b[7]``", []),
        ("an open ` tick\n\nends with its paragraph [8] [1]", "an open ` tick\n\nends with its paragraph [1]", [1]),
        ("[link](x) [", "[link](x) [", []),
        ("[0] [1000] [-1]", " [1000] [-1]", []),
        ("trailing ", "trailing ", []),
        ("```py\nitems[9]\n```\n", "```py\nitems[9]\n```\n", []),
        ("So:\n\n````py\nitems[9]", "So:\n\n````py\nitems[9]\n````", []),
        ("```py\nitems\n", "```py\nitems\n```", []),
        ("1. So:\n\n   ```py\n   items\n    ", "1. So:\n\n   ```py\n   items\n    \n   ```", []),
    ],
)
def test_only_marks_with_a_citation_are_shown(text: str, expected: str, cited: list[int]) -> None:
    assert shown(text) == (expected, cited)


@given(st.text(alphabet="ab `[]1239,\n", max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_it_does_not_matter_how_the_text_is_cut_into_deltas(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    deltas = [text[start:end] for start, end in itertools.pairwise(places)]
    assert shown(*deltas) == shown(text)


def test_text_is_not_held_back_longer_than_a_mark_may_need() -> None:
    marks = CitationFilter(CITATIONS)
    assert marks.feed("It writes [") == "It writes"
    assert marks.feed("1") == ""
    assert marks.feed("] the file") == " [1] the file"
