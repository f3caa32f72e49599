"""Words of code."""

from __future__ import annotations

import pytest

from indexer.tokens import code_terms, identifier_terms, is_identifier_like, joined_code_terms, stem


@pytest.mark.parametrize(
    ("identifier", "terms"),
    [
        ("parseHTTPRequests", ("pars", "http", "request", "parsehttprequests")),
        ("parse_http_requests", ("pars", "http", "request", "parsehttprequests")),
        ("Retry", ("retri",)),
        ("v2", ("v", "2", "v2")),
        ("网络超时", ("网络", "络超", "超时")),
        ("_", ()),
    ],
)
def test_identifiers_become_parts_and_the_whole(identifier: str, terms: tuple[str, ...]) -> None:
    assert identifier_terms(identifier) == terms


def test_terms_keep_order_and_repetitions() -> None:
    assert code_terms("open(file); close(file)") == ["open", "file", "close", "file"]


@pytest.mark.parametrize(
    "text",
    [
        "self.app.send_task(x.y, 3.14, 2x, v1.2.3)",
        "... _ __ ._. 1. .5",
        "Größe = naïve_Zahl * 2.5  # 网络超时",
        "a" * 99,
    ],
)
def test_joined_terms_are_the_same_terms(text: str) -> None:
    assert joined_code_terms(text).split(" ") == code_terms(text)


# Pairs of Porter's paper and of code that must meet, and pairs that must not.
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("authentication", "authenticate"), ("serializer", "serialization"), ("queries", "query"), ("running", "run"),
        ("cached", "caching"), ("configured", "configuration"), ("relational", "relate"), ("hopping", "hop"),
    ],
)  # fmt: skip
def test_forms_of_a_word_share_a_stem(left: str, right: str) -> None:
    assert stem(left) == stem(right)


def test_different_words_keep_different_stems() -> None:
    assert len({stem(word) for word in ("class", "classic", "process", "pro", "news", "string", "sting", "bus")}) == 8


@pytest.mark.parametrize("word", ["snake_case", "camelCase", "HTTP2", "parseURL"])
def test_names_are_told_from_words(word: str) -> None:
    assert is_identifier_like(word)


@pytest.mark.parametrize("word", ["retry", "How", "HTTP", "42"])
def test_words_are_no_names(word: str) -> None:
    assert not is_identifier_like(word)
