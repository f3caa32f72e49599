from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from indexer.api import Index
from indexer.types import Hit, Scope
from server.completion.gathering import Gathering
from server.config import ContextConfig
from server.context import ContextGatherer
from server.types import CompletionRequest, OpenFile, Snippet, SnippetReason
from tests.patience import WAIT_SECONDS

HEAD = "from shop.pricing import Discount\n\n\ndef refund(order, discount: Discount):\n    "


def request(prefix: str = HEAD) -> CompletionRequest:
    return CompletionRequest("shop/refunds.py", "python", prefix, "\n", repository="shop")


class CountedSearch:
    """An index that counts its searches, and lets them through only while they may."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.searches = 0
        self.pushes = 0
        self.may_search = threading.Event()
        self.may_search.set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    def generation(self) -> int:
        return self._index.generation() + self.pushes

    def search(self, query: str, scope: Scope, k: int) -> list[Hit]:
        self.searches += 1
        self.may_search.wait(WAIT_SECONDS)
        return self._index.search(query, scope, k)


@pytest.fixture
def counted(shop: Index) -> CountedSearch:
    return CountedSearch(shop)


@pytest.fixture
def gatherer(counted: CountedSearch) -> Iterator[ContextGatherer]:
    made = ContextGatherer(counted)  # type: ignore[arg-type] # stands in for an index to count what it is asked
    yield made
    counted.may_search.set()
    made.close()


def is_round_price_as_imported(snippet: Snippet) -> bool:
    return (snippet.symbol, snippet.path, snippet.reason) == ("round_price", "shop/pricing.py", SnippetReason.IMPORTED)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def test_a_first_cursor_has_nothing_at_once(gatherer: ContextGatherer) -> None:
    assert gatherer.at_once(request()) is None


def test_typing_what_was_looked_up_asks_nothing_again(gatherer: ContextGatherer, counted: CountedSearch) -> None:
    first = gatherer.gather(request(), deadline_ms=0)
    for typed in ("r", "ref", "return ", "return discount", "return discount.ap", "return discount(order"):
        served = gatherer.at_once(request(HEAD + typed))
        assert served is not None
        assert served.snippets == first.snippets
    assert counted.searches == 1


def test_a_name_that_nothing_defines_is_looked_up_once(gatherer: ContextGatherer, counted: CountedSearch) -> None:
    first = gatherer.gather(request(), deadline_ms=0)
    local = request(HEAD + "leftover = ")
    assert gatherer.at_once(local) is None
    assert gatherer.gather(local, deadline_ms=10_000).snippets == first.snippets
    assert gatherer.at_once(request(HEAD + "leftover = d")) is not None
    assert counted.searches == 1


def test_a_new_name_is_explained_without_waiting_for_a_search(
    gatherer: ContextGatherer, counted: CountedSearch
) -> None:
    first = gatherer.gather(request(), deadline_ms=0)
    assert not any(is_round_price_as_imported(snippet) for snippet in first.snippets)
    counted.may_search.clear()
    new = request("from shop.pricing import round_price\n" + HEAD + "return round_price(")
    assert gatherer.at_once(new) is None
    context = gatherer.gather(new, deadline_ms=10_000)
    assert any(is_round_price_as_imported(snippet) for snippet in context.snippets)
    # What was chosen before keeps its place in front.
    places = [(snippet.path, snippet.start_line) for snippet in context.snippets]
    before = [(snippet.path, snippet.start_line) for snippet in first.snippets]
    assert [place for place in places if place in before] == places[: len(set(before) & set(places))]


def test_another_line_brings_a_newer_choice_for_the_keys_to_come(
    gatherer: ContextGatherer, counted: CountedSearch
) -> None:
    gatherer.gather(request(), deadline_ms=0)
    counted.may_search.clear()
    below = request(HEAD + "\n    return discount")
    # The key itself does not wait, and however many follow, one search is under way and at most one comes after it.
    for _ in range(20):
        assert gatherer.at_once(below) is not None
    eventually(lambda: counted.searches == 2)
    counted.may_search.set()
    eventually(lambda: gatherer.at_once(below) is not None and counted.searches in {2, 3})


def test_nothing_stands_when_what_may_be_read_or_is_open_has_changed(gatherer: ContextGatherer) -> None:
    gatherer.gather(request(), deadline_ms=0)
    assert gatherer.at_once(request()) is not None
    for changed in (
        replace(request(), scope=Scope(frozenset({"secret"}))),
        replace(request(), scope=Scope(exclude=frozenset({("shop", "shop/pricing.py")}))),
        replace(request(), open_files=(OpenFile("shop/pricing.py", "python", "class Discount: ...\n", "shop"),)),
        replace(request(), ref="other"),
    ):
        assert gatherer.at_once(changed) is None
        assert gatherer.last(changed).snippets == ()
    assert gatherer.at_once(request(), session="another") is None


def test_a_document_that_was_opened_has_context_before_its_first_key(
    gatherer: ContextGatherer, counted: CountedSearch
) -> None:
    opened = CompletionRequest("shop/refunds.py", "python", "", HEAD + "\n", repository="shop")
    gatherer.look_ahead(opened)
    eventually(lambda: gatherer.at_once(opened) is not None)
    assert counted.searches == 1
    counted.may_search.clear()
    # The first key is anywhere, and may name what was not looked up: it waits for definitions only.
    context = gatherer.gather(request(HEAD + "other = discount."), deadline_ms=10_000)
    assert "Discount" in {snippet.symbol for snippet in context.snippets}


def test_opening_very_many_documents_queues_only_some_of_them(
    gatherer: ContextGatherer, counted: CountedSearch
) -> None:
    counted.may_search.clear()
    opened = [
        CompletionRequest(f"shop/new{number}.py", "python", "", HEAD + "\n", repository="shop") for number in range(100)
    ]
    for one in opened:
        gatherer.look_ahead(one)
    counted.may_search.set()
    eventually(lambda: gatherer.at_once(opened[0]) is not None)
    # The places are given back: what is opened later is looked at again.
    last = opened[-1]

    def looked_at_again() -> bool:
        gatherer.look_ahead(last)
        return gatherer.at_once(last) is not None

    eventually(looked_at_again)
    assert sum(gatherer.at_once(one) is not None for one in opened) < len(opened) / 2


def test_a_newer_index_is_no_reason_to_wait(gatherer: ContextGatherer, counted: CountedSearch) -> None:
    first = gatherer.gather(request(), deadline_ms=0)
    counted.pushes += 1
    counted.may_search.clear()
    served = gatherer.at_once(request())
    assert served is not None
    assert served.snippets == first.snippets
    eventually(lambda: counted.searches == 2)
    counted.may_search.set()
    # Once the newer choice is there, nothing more is asked; a key while it was being made may have asked once more.
    for _ in range(50):
        assert gatherer.at_once(request()) is not None
        time.sleep(0.01)
    assert counted.searches in {2, 3}


async def test_keys_while_the_first_context_is_gathered_gather_nothing_more(
    gatherer: ContextGatherer, counted: CountedSearch
) -> None:
    config = ContextConfig(deadline_ms=200)
    gathering = Gathering(gatherer, config)
    counted.may_search.clear()
    try:
        contexts = await asyncio.gather(
            *(gathering.gather(request(HEAD + "return d"[:length]), (), "") for length in range(9))
        )
        assert counted.searches == 1
        assert all("Discount" in {snippet.symbol for snippet in context.snippets} for context in contexts)
    finally:
        counted.may_search.set()
        gathering.close()


async def test_a_cancelled_key_leaves_what_it_began_to_the_next(
    gatherer: ContextGatherer, counted: CountedSearch
) -> None:
    gathering = Gathering(gatherer, ContextConfig(deadline_ms=10_000))
    counted.may_search.clear()
    try:
        first = asyncio.create_task(gathering.gather(request(), (), ""))
        await asyncio.to_thread(eventually, lambda: counted.searches == 1)
        first.cancel()
        await asyncio.wait({first})
        assert first.cancelled()
        second = asyncio.create_task(gathering.gather(request(HEAD + "r"), (), ""))
        await asyncio.sleep(0)
        counted.may_search.set()
        assert (await second).snippets
        assert counted.searches == 1
    finally:
        gathering.close()
