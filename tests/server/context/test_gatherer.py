from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from indexer.api import Index
from indexer.types import Hit, Scope
from server.config import ContextConfig
from server.context import ContextGatherer, RecentEdit
from server.types import CompletionRequest, OpenFile, SnippetReason
from tests.patience import WAIT_SECONDS

HEAD = "from shop.pricing import Discount, round_price\n\n\ndef refund(order, discount: Discount):\n    "


def request(prefix: str = HEAD, **changes: object) -> CompletionRequest:
    values: dict[str, object] = {
        "path": "shop/refunds.py",
        "language": "python",
        "prefix": prefix,
        "suffix": "\n",
        "repository": "shop",
    }
    return CompletionRequest(**{**values, **changes})  # type: ignore[arg-type] # one helper for all fields


@pytest.fixture
def gatherer(shop: Index) -> Iterator[ContextGatherer]:
    made = ContextGatherer(shop)
    yield made
    made.close()


def test_imported_definitions_come_with_their_reason_and_commit(gatherer: ContextGatherer, shop: Index) -> None:
    context = gatherer.gather(request(), deadline_ms=0)
    found = {snippet.symbol: snippet for snippet in context.snippets}
    assert "class Discount" in found["Discount"].text
    assert found["Discount"].reason is SnippetReason.IMPORTED
    assert found["Discount"].commit == shop.commit("shop")
    assert found["round_price"].path == "shop/pricing.py"


def test_a_name_of_another_module_is_not_taken_for_the_imported_one(gatherer: ContextGatherer) -> None:
    context = gatherer.gather(request(), deadline_ms=0)
    assert not [
        snippet
        for snippet in context.snippets
        if snippet.reason is SnippetReason.IMPORTED and snippet.path == "other/pricing.py"
    ]


def test_members_of_a_parameter_lead_to_its_class(gatherer: ContextGatherer) -> None:
    context = gatherer.gather(request(HEAD + "price = discount.apply(order)\n    "), deadline_ms=0)
    assert any("def apply" in snippet.text for snippet in context.snippets)


def test_relative_imports_of_typescript_are_followed(gatherer: ContextGatherer) -> None:
    context = gatherer.gather(
        request(
            'import { formatPrice } from "./format";\n\nexport const label = ',
            path="web/label.ts",
            language="typescript",
        ),
        deadline_ms=0,
    )
    assert [snippet.path for snippet in context.snippets if snippet.reason is SnippetReason.IMPORTED] == [
        "web/format.ts"
    ]


def test_the_document_itself_is_never_context(gatherer: ContextGatherer, shop: Index) -> None:
    text = shop.file_text("shop", "", "shop/orders.py") or ""
    context = gatherer.gather(request(text, suffix="", path="shop/orders.py"), deadline_ms=0)
    assert context.snippets
    assert "shop/orders.py" not in {snippet.path for snippet in context.snippets}


def test_unsaved_text_of_an_open_file_wins_over_the_index(gatherer: ContextGatherer) -> None:
    unsaved = "def round_price(price: float, digits: int) -> float:\n    return round(price, digits)\n"
    context = gatherer.gather(
        request(open_files=(OpenFile("shop/pricing.py", "python", unsaved, "shop"),)), deadline_ms=0
    )
    shown = [snippet for snippet in context.snippets if snippet.path == "shop/pricing.py"]
    assert shown
    assert all(snippet.commit == "" for snippet in shown)
    assert any("digits" in snippet.text for snippet in shown)
    assert not any("Round to whole cents" in snippet.text for snippet in shown)


def test_what_may_not_be_read_is_not_there(gatherer: ContextGatherer) -> None:
    reading = request(scope=Scope(frozenset({"shop"})))
    assert {snippet.repository for snippet in gatherer.gather(reading, deadline_ms=0).snippets} == {"shop"}
    nothing = request(scope=Scope(frozenset()))
    context = gatherer.gather(nothing, deadline_ms=0)
    assert (context.snippets, context.dropped) == ((), ())


def test_earlier_snippets_go_with_the_permission_to_read_them(gatherer: ContextGatherer) -> None:
    assert gatherer.gather(request(), deadline_ms=0).snippets
    assert gatherer.gather(request(scope=Scope(frozenset({"secret"}))), deadline_ms=0).snippets == ()


def test_typing_on_keeps_the_snippets_and_their_order(gatherer: ContextGatherer) -> None:
    orders = []
    for typed in ("", "p", "pr", "price", "price ", "price = discount.", "price = discount.app"):
        snippets = gatherer.gather(request(HEAD + typed), deadline_ms=0).snippets
        orders.append([(snippet.path, snippet.start_line) for snippet in snippets])
    first = orders[0]
    assert first
    for order in orders[1:]:
        assert order[: len(first)] == first


def test_recent_edits_and_open_files_contribute(gatherer: ContextGatherer) -> None:
    similar = (
        "def cancel(order, discount: Discount):\n    price = discount.apply(order)\n    return round_price(price)\n"
    )
    context = gatherer.gather(
        request(
            HEAD + "price = discount.apply(order)\n    return round_",
            open_files=(OpenFile("shop/cancel.py", "python", similar, "shop"),),
        ),
        recent_edits=(RecentEdit("shop/edited.py", "python", 7, similar + "# edited\n", "shop"),),
        deadline_ms=0,
    )
    reasons = {snippet.path: snippet.reason for snippet in context.snippets}
    assert reasons["shop/cancel.py"] is SnippetReason.OPEN_FILE
    assert reasons["shop/edited.py"] is SnippetReason.RECENT_EDIT


def test_budgets_hold_and_say_what_they_left_out(shop: Index) -> None:
    gatherer = ContextGatherer(shop, ContextConfig(max_snippets=1, per_file=1))
    try:
        context = gatherer.gather(request(), deadline_ms=0)
    finally:
        gatherer.close()
    assert len(context.snippets) == 1
    assert {dropped.reason for dropped in context.dropped} >= {"budget"}
    tiny = ContextGatherer(shop, ContextConfig(tokens=40))
    try:
        context = tiny.gather(request(), deadline_ms=0)
    finally:
        tiny.close()
    assert sum(len(snippet.text) for snippet in context.snippets) <= 40 * 3


def test_copies_are_shown_once(gatherer: ContextGatherer) -> None:
    copy = "def helper(order, discount):\n    return discount.apply(order) + discount.percent\n"
    context = gatherer.gather(
        request(
            HEAD + "helper(order, discount)",
            open_files=(
                OpenFile("shop/one.py", "python", copy, "shop"),
                OpenFile("shop/two.py", "python", copy, "shop"),
            ),
        ),
        deadline_ms=0,
    )
    assert [snippet.text for snippet in context.snippets].count(copy.rstrip("\n")) <= 1
    assert "duplicate" in {dropped.reason for dropped in context.dropped}


def test_without_an_index_open_files_remain() -> None:
    gatherer = ContextGatherer(None)
    try:
        similar = "def cancel(order, discount):\n    return discount.apply(order)\n"
        context = gatherer.gather(
            request(HEAD + "discount.apply(order)", open_files=(OpenFile("a.py", "python", similar),)), deadline_ms=0
        )
    finally:
        gatherer.close()
    assert {snippet.path for snippet in context.snippets} == {"a.py"}


class _SlowSearch:
    """An index whose search does not come back until it is released."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.released = threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    def search(self, query: str, scope: Scope, k: int) -> list[Hit]:
        self.released.wait(WAIT_SECONDS)
        return self._index.search(query, scope, k)


def test_a_search_that_is_late_does_not_hold_up_the_rest(shop: Index) -> None:
    slow = _SlowSearch(shop)
    gatherer = ContextGatherer(slow)  # type: ignore[arg-type] # stands in for a search on a busy machine
    try:
        context = gatherer.gather(request(), deadline_ms=50)
        assert "search-late" in context.stages
        assert "Discount" in {snippet.symbol for snippet in context.snippets}
    finally:
        slow.released.set()
        gatherer.close()


def test_many_threads_may_share_a_gatherer(gatherer: ContextGatherer) -> None:
    def gather(number: int) -> set[str]:
        context = gatherer.gather(request(path=f"shop/r{number % 3}.py"), deadline_ms=0, session=str(number % 2))
        return {snippet.symbol for snippet in context.snippets}

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(gather, range(40)))
    assert all("Discount" in symbols for symbols in results)


@pytest.mark.parametrize(
    ("prefix", "suffix", "language"),
    [
        ("", "", "python"),
        ("\n" * 50, "", "python"),
        ("x" * 20_000, "y" * 20_000, "javascript"),
        ("\ud800 = '\x00", "\u2028\r\n\t", "python"),
        ("class {{{ def ((( '''", ")))", "python"),
        ("anything", "", "no-such-language"),
    ],
)
def test_odd_documents_are_taken(gatherer: ContextGatherer, prefix: str, suffix: str, language: str) -> None:
    gatherer.gather(request(prefix, suffix=suffix, language=language), deadline_ms=0)
