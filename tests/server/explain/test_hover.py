from __future__ import annotations

import pytest

from indexer.api import Index
from indexer.types import Scope
from server.explain import HoverTarget, hover_at
from server.types import OpenFile
from tests.server.indexed import SHOP

REFUNDS = '''from shop.pricing import Discount, round_price

LIMIT = 3


def refund(order: float, discount: Discount) -> float:
    """Give money back."""
    price = discount.apply(order)  # apply it
    return round_price(price)


def again(order: float) -> float:
    return refund(order, Discount(0)) + round_price(order)
'''


def hover(index: Index | None, text: str, marked: str, name: str, **changes: object) -> str | None:
    """Hover over ``name`` in the first line that holds ``marked``."""
    lines = text.split("\n")
    line = next(number for number, content in enumerate(lines) if marked in content)
    column = lines[line].index(name, lines[line].index(marked))
    values: dict[str, object] = {"path": "shop/refunds.py", "language": "python", "repository": "shop", **changes}
    found = hover_at(index, HoverTarget(text=text, line=line + 1, column=column, **values))  # type: ignore[arg-type]
    if found is None:
        return None
    assert found.line == line + 1
    assert lines[line][found.start_column : found.end_column] == name
    return found.markdown


def test_the_imported_definition_is_chosen_among_namesakes(shop: Index) -> None:
    text = hover(shop, REFUNDS, "return round_price", "round_price")
    assert text is not None
    assert "def round_price(price: float) -> float" in text
    assert "Round to whole cents." in text
    assert "Defined in `shop/shop/pricing.py:" in text
    assert "shop/orders.py:8" in text


def test_a_member_is_found_through_the_type_of_its_receiver(shop: Index) -> None:
    text = hover(shop, REFUNDS, "discount.apply", "apply")
    assert text is not None
    assert "Return the price after the reduction." in text
    assert "in `Discount`" in text


def test_an_unsaved_definition_of_the_document_wins(shop: Index) -> None:
    text = hover(shop, REFUNDS, "return refund", "refund")
    assert text is not None
    assert "Give money back." in text
    assert "shop/refunds.py:6" in text


def test_unsaved_text_of_another_open_document_wins(shop: Index) -> None:
    unsaved = 'def round_price(price: float, digits: int) -> float:\n    """Round as asked."""\n'
    text = hover(
        shop, REFUNDS, "return round_price", "round_price",
        open_files=(OpenFile("shop/pricing.py", "python", unsaved, "shop"),),
    )  # fmt: skip
    assert text is not None
    assert "Round as asked." in text
    assert "(open document)" in text


@pytest.mark.parametrize(
    ("marked", "name"),
    [
        ("price = discount", "price"),
        ("discount.apply", "discount"),
        ("return round_price", "return"),
        ("# apply it", "apply it"),
        ("Give money", "money"),
    ],
)
def test_locals_keywords_comments_and_strings_have_no_hover(shop: Index, marked: str, name: str) -> None:
    assert hover(shop, REFUNDS, marked, name) is None


def test_a_name_from_outside_of_the_index_is_not_taken_for_a_namesake(shop: Index) -> None:
    assert hover(shop, "from numpy import round_price\n\nround_price(1)\n", "round_price(1)", "round_price") is None


def test_what_may_not_be_read_is_not_shown(shop: Index) -> None:
    text = hover(shop, REFUNDS, "return round_price", "round_price", scope=Scope(frozenset({"shop"})))
    assert text is not None
    assert "vault" not in text
    assert hover(shop, REFUNDS, "return round_price", "round_price", scope=Scope(frozenset())) is None


def test_typescript_is_resolved_through_its_relative_import(shop: Index) -> None:
    text = hover(
        shop, SHOP["web/cart.ts"], "formatPrice(price)", "formatPrice", path="web/cart.ts", language="typescript"
    )
    assert text is not None
    assert "```typescript\n" in text
    assert "Write a price with its currency." in text


def test_without_an_index_the_document_explains_itself() -> None:
    text = hover(None, REFUNDS, "return refund", "refund", repository="", path="/tmp/refunds.py")
    assert text is not None
    assert "Give money back." in text


def test_long_documentation_is_cut() -> None:
    code = 'def f() -> None:\n    """' + "Much to say. " * 500 + '"""\n\n\nf()\n'
    text = hover(None, code, "f()\n"[:3], "f")
    assert text is not None
    assert len(text) < 3000
