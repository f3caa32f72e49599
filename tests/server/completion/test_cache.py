"""Finished suggestions that are typed along."""

from __future__ import annotations

import pytest

from server.completion.cache import LIFETIME_SECONDS, MAX_DOCUMENTS, MAX_PER_DOCUMENT, TypeThroughCache
from server.completion.continuation import Start
from server.completion.records import Making
from server.completion.usage import Usage
from server.types import CompletionRequest
from tests.server.counting import total


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def at(prefix: str, suffix: str = "\n") -> CompletionRequest:
    return CompletionRequest(path="a.py", language="python", prefix=prefix, suffix=suffix)


def rests(cache: TypeThroughCache, request: CompletionRequest, document: str = "a") -> list[str]:
    return [rest for _, rest in cache.find(document, request)]


def keep(cache: TypeThroughCache, prefix: str, said: str, document: str = "a", usage: Usage | None = None) -> None:
    cache.keep(document, Start(prefix, "\n"), said, Making(engine="vllm"), usage or Usage("vllm", 3))


@pytest.fixture
def cache() -> TypeThroughCache:
    return TypeThroughCache()


def wasted() -> float:
    return total("hearth_completion_wasted_tokens_total", engine="vllm", reason="unread")


def test_typing_along_and_back_finds_what_is_left(cache: TypeThroughCache) -> None:
    keep(cache, "x = ", "width * 2")
    assert rests(cache, at("x = ")) == ["width * 2"]
    assert rests(cache, at("x = width")) == [" * 2"]
    assert rests(cache, at("x = w")) == ["idth * 2"]
    assert rests(cache, at("x = ", ")\n")) == ["width * 2"]
    assert rests(cache, at("x = width * 2")) == []
    assert rests(cache, at("x = h")) == []
    assert rests(cache, at("x =")) == []
    assert rests(cache, at("y = w")) == []
    assert rests(cache, at("x = w", "\n\n")) == []
    assert rests(cache, at("x = w"), "b") == []


def test_the_latest_comes_first(cache: TypeThroughCache) -> None:
    keep(cache, "x = ", "width * 2")
    keep(cache, "x = w", "idth + 1")
    assert rests(cache, at("x = wi")) == ["dth + 1", "dth * 2"]


def test_texts_grow_old() -> None:
    clock = Clock()
    cache = TypeThroughCache(clock)
    keep(cache, "x = ", "width")
    clock.now = LIFETIME_SECONDS - 1
    assert rests(cache, at("x = "))
    clock.now += 1
    assert not rests(cache, at("x = "))


def test_texts_and_documents_are_bounded(cache: TypeThroughCache) -> None:
    for number in range(MAX_PER_DOCUMENT + 1):
        keep(cache, "x = ", f"text {number}")
    assert len(rests(cache, at("x = "))) == MAX_PER_DOCUMENT
    assert "text 0" not in rests(cache, at("x = "))
    for number in range(MAX_DOCUMENTS):
        keep(cache, "x = ", "text", f"document {number}")
    assert not rests(cache, at("x = "))


def test_only_the_document_at_work_keeps_its_texts(cache: TypeThroughCache) -> None:
    keep(cache, "x = ", "width", "a")
    keep(cache, "x = ", "width", "b")
    cache.forget_all_but("b")
    assert not rests(cache, at("x = "), "a")
    assert rests(cache, at("x = "), "b")


def test_a_forgotten_text_that_nobody_saw_is_wasted_once(cache: TypeThroughCache) -> None:
    before = wasted()
    keep(cache, "x = ", "seen", usage=Usage("vllm", 5, seen=True))
    keep(cache, "x = ", "unseen", usage=Usage("vllm", 7))
    cache.clear()
    cache.clear()
    assert wasted() - before == 7
