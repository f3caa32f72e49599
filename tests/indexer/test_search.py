"""What a search answers, on a real index of real repositories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from indexer.api import Index
from indexer.api.analysis import Intent, analyse
from indexer.api.ranking import is_test_path
from indexer.types import Scope
from tests.conftest import Repository
from tests.indexer.conftest import IndexInto

MakeRepository = Callable[..., Repository]

EVERYTHING = Scope()


def filler(word: str, lines: int = 30, indent: str = "    ") -> str:
    return "".join(f"{indent}{word}_{number} = {word}(item_{number}, {number})\n" for number in range(lines))


SHOP = {
    "shop/http/client.py": f"def send(request):\n    # retry with backoff\n{filler('attempt')}    return request\n",
    "shop/jobs/worker.py": f"def run(job):\n    # retry with backoff\n{filler('attempt')}    return job\n",
    "shop/cart.py": (
        'class Cart:\n    """Holds what a customer wants to buy."""\n\n    def compute_total(self):\n'
        + filler("price", indent="        ")
    ),
    "shop/report.py": f"from shop.cart import Cart\n\ndef monthly(cart):\n    cart.compute_total()\n{filler('row')}",
    "tests/test_cart.py": f"def test_compute_total(cart):\n    cart.compute_total()\n{filler('check')}",
    "docs/guide.md": "# Guide\n\nHow the cart computes its total, in prose. The cart computes the total of the cart.\n",
    "copy/cart_a.py": f"def duplicated_helper(x):\n{filler('alpha')}",
    "copy/cart_b.py": f"def duplicated_helper(x):\n{filler('alpha')}",
}


@pytest.fixture
def shop(make_repository: MakeRepository, index_into: IndexInto, opened: Index) -> Index:
    index_into(make_repository(SHOP, name="shop").path)
    opened.refresh()
    return opened


def paths(index: Index, query: str, scope: Scope = EVERYTHING, k: int = 10) -> list[str]:
    return [hit.path for hit in index.search(query, scope, k)]


def test_words_of_the_path_decide_among_equals(shop: Index) -> None:
    assert paths(shop, "retry backoff in the http client")[0] == "shop/http/client.py"
    assert paths(shop, "how does the jobs worker retry with backoff?")[0] == "shop/jobs/worker.py"


@pytest.mark.parametrize(
    "query",
    ["where is compute_total defined", "compute_total", "How does `compute_total` work?", "What is a Cart for"],
)
def test_the_definition_comes_before_its_uses(shop: Index, query: str) -> None:
    hit = shop.search(query, EVERYTHING, 5)[0]
    assert hit.path == "shop/cart.py"
    assert "def compute_total" in hit.text


def test_tests_come_first_when_they_are_asked_for(shop: Index) -> None:
    assert paths(shop, "test of compute_total")[0] == "tests/test_cart.py"


def test_code_comes_before_what_documents_tell_of_it_unless_they_are_asked_for(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    told = "The shop computes the total of the cart: the total of what is in the cart, as computed."
    files = {
        "shop/sums.py": f"def compute_total(cart):\n{filler('price', 24)}    return cart\n",
        "pages/sums.md": f"# Guide\n\n{told}\n",
    }
    index_into(make_repository(files, name="shop").path)
    opened.refresh()
    assert paths(opened, "Computes the total of the cart.")[0] == "shop/sums.py"
    assert paths(opened, "A guide to how the total of the cart is computed.")[0] == "pages/sums.md"


def test_a_text_that_stands_in_two_files_is_shown_once(shop: Index) -> None:
    found = paths(shop, "duplicated_helper", k=20)
    assert len([path for path in found if path.startswith("copy/")]) == 1


def test_an_answer_is_filled_up_to_k_and_never_repeats_itself(shop: Index) -> None:
    hits = shop.search("cart total", EVERYTHING, 5)
    assert len(hits) == 5
    assert len({(hit.path, hit.start_line) for hit in hits}) == 5
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_hits_show_the_lines_they_name(shop: Index) -> None:
    for hit in shop.search("cart total price", EVERYTHING, 10):
        text = shop.file_text(hit.repository, hit.ref, hit.path)
        assert text is not None
        assert hit.text == "\n".join(text.split("\n")[hit.start_line - 1 : hit.end_line])
        assert 0.0 <= hit.lexical <= 1.0
        assert 0.0 <= hit.dense <= 1.0


def test_excluded_files_give_way_to_others(shop: Index) -> None:
    scope = replace(EVERYTHING, exclude=frozenset({("shop", "shop/cart.py")}))
    found = paths(shop, "compute_total", scope)
    assert "shop/cart.py" not in found
    assert "shop/report.py" in found


def test_imported_paths_come_first(shop: Index) -> None:
    hits = shop.search("retry with backoff", EVERYTHING, 3, boost_paths=["shop/jobs/worker.py"])
    assert hits[0].path == "shop/jobs/worker.py"


@pytest.mark.parametrize("query", ["", "   ", "\x00", "()[]{}", "the of and", "é" * 5000, "a " * 5000])
def test_any_text_is_a_query(shop: Index, query: str) -> None:
    assert isinstance(shop.search(query, EVERYTHING, 3), list)


def test_one_readable_repository_among_many_gives_a_full_answer(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    for number in range(4):
        files = {f"f{item}.py": f"def retry_{number}_{item}():\n{filler('backoff')}" for item in range(30)}
        index_into(make_repository(files, name=f"loud{number}").path)
    quiet = {f"q{item}.py": f"def other_{item}(retry):\n{filler('nothing')}" for item in range(12)}
    index_into(make_repository(quiet, name="quiet").path)
    opened.refresh()
    hits = opened.search("retry backoff", EVERYTHING.only("quiet"), 10)
    assert len(hits) == 10
    assert {hit.repository for hit in hits} == {"quiet"}
    assert opened.search("retry backoff", Scope(frozenset()), 10) == []


def test_each_ref_is_searched_as_it_is(make_repository: MakeRepository, index_into: IndexInto, opened: Index) -> None:
    repository = make_repository({"a.py": f"def old_name():\n{filler('stay')}"}, name="r")
    repository.git("branch", "legacy")
    repository.commit({"a.py": f"def new_name():\n{filler('stay')}"})
    index_into(repository.path, "main", "legacy")
    opened.refresh()
    now = opened.search("old_name", EVERYTHING.only("r", "main"), 5)
    assert all("old_name" not in hit.text for hit in now)
    assert opened.search("old_name", EVERYTHING.only("r", "legacy"), 5)[0].symbol == "old_name"


def test_references_are_uses_spelled_exactly_so(shop: Index) -> None:
    hits = shop.references("compute_total", EVERYTHING)
    assert {hit.path for hit in hits} == {"shop/report.py", "tests/test_cart.py"}
    assert shop.references("Compute_Total", EVERYTHING) == []
    assert shop.references("compute", EVERYTHING) == []


@pytest.mark.parametrize(
    ("query", "intent"),
    [
        ("How is the cookie signed?", Intent.QUESTION),
        ("where are retries counted", Intent.QUESTION),
        ("fix(http): close idle connections", Intent.CHANGE),
        ("Add a timeout to the client", Intent.CHANGE),
        ("Rework sessions\n\nThey were never closed when a client left.", Intent.CHANGE),
        ("Returns the number of open connections.", Intent.DESCRIPTION),
        ("retry backoff", Intent.DESCRIPTION),
    ],
)
def test_queries_are_told_apart(query: str, intent: Intent) -> None:
    assert analyse(query).intent is intent


def test_analysis_keeps_names_and_drops_small_talk() -> None:
    analysis = analyse("How does the web socket retry_backoff work in `Client`?")
    assert analysis.names == ("retry_backoff", "Client")
    assert "websocket" in analysis.terms
    assert not analysis.words & {"how", "doe", "the", "in"}
    assert analysis.terms["retrybackoff"] > analysis.terms["retri"]


@pytest.mark.parametrize(
    "path",
    ["tests/a.py", "src/test/java/A.java", "pkg/a_test.go", "web/a.spec.ts", "test_a.py", "FooTest.kt", "ATests.cs"],
)
def test_paths_of_tests_are_known(path: str) -> None:
    assert is_test_path(path)


@pytest.mark.parametrize("path", ["src/contest.py", "latest/a.go", "attestation/b.rs", "src/testimony.ts"])
def test_other_paths_are_no_tests(path: str) -> None:
    assert not is_test_path(path)
