"""Tokens of text that is being written: those that a parser reads in the whole, without reading the whole again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.parse import GrowingSource, growing

if TYPE_CHECKING:
    from tree_sitter import TreeCursor

BEFORE = "class Köln:\n    def area(self):\n"
TEXT = '        size = f(\n            "ä (",\n        )\n        q = """\nselect {\n"""\n        return q\n'


def written(source: GrowingSource, text: str) -> list[str]:
    found = source.tokens(text)
    assert found is not None
    assert all(text[token.start : token.end] == token.text for token in found.tokens)
    return [token.text for token in found.tokens]


def test_strings_and_brackets_are_tokens() -> None:
    tokens = written(GrowingSource(BEFORE, "python"), TEXT)
    assert tokens[:5] == ["size", "=", "f", "(", '"']
    assert "\nselect {\n" in tokens


@given(ends=st.lists(st.integers(0, len(TEXT)), max_size=6))
def test_what_was_asked_before_makes_no_difference(ends: list[int]) -> None:
    source = GrowingSource(BEFORE, "python")
    for end in ends:
        assert source.tokens(TEXT[:end]) == GrowingSource(BEFORE, "python").tokens(TEXT[:end])


@pytest.mark.parametrize(
    ("language", "text", "inside"),
    [
        ("python", 'x = """a\n', True),
        ("python", 'x = """a\n"""\n', False),
        ("typescript", "x = `a${b}\n", True),
        ("typescript", "x = `a${b}\n`;\n", False),
        ("go", "x := `a\n", True),
        ("java", "/* a\n", True),
        ("java", "/* a\n*/\n", False),
    ],
)
def test_it_says_when_a_string_or_comment_goes_on(language: str, text: str, *, inside: bool) -> None:
    found = GrowingSource("", language).tokens(text)
    assert found is not None
    assert found.inside is inside


def test_a_language_without_a_grammar_has_no_tokens() -> None:
    assert GrowingSource("", "brainfuck").tokens("+") is None


def test_text_that_takes_too_long_is_given_up_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    source = GrowingSource("x = 1\n" * 1000, "python")
    monkeypatch.setattr(growing, "STEP_SECONDS", 0.0)
    assert source.tokens("y") is None
    monkeypatch.undo()
    assert source.tokens("y") is None


def test_of_what_stands_before_only_what_the_text_is_in_is_walked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    original = growing._leaves

    class Counted:
        """A cursor that counts the nodes it is asked for."""

        def __init__(self, cursor: Any) -> None:
            self._cursor = cursor

        @property
        def node(self) -> Any:
            looked_at.append(1)
            return self._cursor.node

        def __getattr__(self, name: str) -> Any:
            return getattr(self._cursor, name)

    monkeypatch.setattr(growing, "_leaves", lambda cursor, base: original(cast("TreeCursor", Counted(cursor)), base))
    tokens = written(GrowingSource("x = 1\n" * 500 + "class A:\n", "python"), "    y = 2\n")
    assert tokens[:3] == ["y", "=", "2"]
    assert len(looked_at) < 50
