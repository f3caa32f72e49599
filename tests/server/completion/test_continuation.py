"""Whether a suggestion still says what the user types."""

from __future__ import annotations

import pytest

from server.completion.continuation import Start, may_fit, rest_of
from server.types import CompletionRequest


def at(prefix: str, suffix: str) -> CompletionRequest:
    return CompletionRequest(path="a.py", language="python", prefix=prefix, suffix=suffix)


@pytest.mark.parametrize(
    ("prefix", "suffix", "typed"),
    [
        ("x = ", "\ny", ""),
        ("x = ab", "\ny", "ab"),
        ("x = f(", ")\ny", "f("),
        ("x = a\r\n  ", "\ny", "a\n  "),
        ("x = f(", "z\ny", None),
        ("x =", "\ny", None),
        ("z = ab", "\ny", None),
        ("x = ab", "\nz", None),
        ("x = ", "))))))\ny", None),
    ],
)
def test_what_was_typed_since_the_start(prefix: str, suffix: str, typed: str | None) -> None:
    assert Start("x = ", "\ny").typed(at(prefix, suffix)) == typed


def test_what_a_document_has_in_place_of_the_cursor() -> None:
    start = Start("aa", "aa")
    assert start.inserted("aaaa") == ""
    assert start.inserted("aabbaa") == "bb"
    # Both ends are there, but they are the same characters.
    assert start.inserted("aaa") is None
    assert start.inserted("aabbac") is None


@pytest.mark.parametrize(
    ("said", "typed", "ended", "rest"),
    [
        ("width", "", False, "width"),
        ("width", "wi", False, "dth"),
        ("width", "x", False, None),
        ("wi", "width", False, ""),
        ("", "w", False, ""),
        ("", "w", True, None),
        ("", "", True, ""),
        ("wi", "width_2", False, None),
        ("wi", "wi\n", False, None),
        ("width", "width", False, ""),
        ("width", "width", True, None),
    ],
)
def test_what_is_left_to_say(said: str, typed: str, ended: bool, rest: str | None) -> None:
    assert rest_of(said, typed, ended=ended) == rest


@pytest.mark.parametrize(
    ("held", "typed", "rest"),
    [("width", "w", ""), ("w", "wi", ""), ("x", "w", None), ("", "w", ""), ("<|", "w", None)],
)
def test_what_is_written_and_not_shown_counts(held: str, typed: str, rest: str | None) -> None:
    assert rest_of("", typed, ended=False, held=held) == rest


@pytest.mark.parametrize(
    ("said", "inserted", "fits"),
    [
        ("f(a)", "f()", True),
        ("f(a)", "f(a)", True),
        ("f(a)", "g()", False),
        ('x["a"]', 'x[""]', True),
        ("f(a)", "", True),
    ],
)
def test_a_document_may_hold_closers_after_the_cursor(said: str, inserted: str, fits: bool) -> None:
    assert may_fit(said, inserted, ended=False) is fits
