"""A real index of real repositories, shared by tests of what only reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from indexer.api import Index
from indexer.config import IndexConfig
from indexer.types import IndexJob
from indexer.worker import run_job
from tests.conftest import Repository

SHOP = {
    "shop/__init__.py": "",
    "shop/pricing.py": '''"""Prices."""


class Discount:
    """A reduction in percent."""

    def __init__(self, percent: int) -> None:
        self.percent = percent

    def apply(self, price: float) -> float:
        """Return the price after the reduction."""
        return price * (100 - self.percent) / 100


def round_price(price: float) -> float:
    """Round to whole cents."""
    return round(price, 2)
''',
    "shop/orders.py": '''"""Orders."""

from shop.pricing import Discount, round_price


def total(prices: list[float], discount: Discount) -> float:
    """Add up prices after the discount."""
    return round_price(sum(discount.apply(price) for price in prices))
''',
    "other/pricing.py": '''"""Not the pricing of the shop."""


def round_price(price: float) -> float:
    """Round to tens."""
    return round(price, -1)
''',
    "web/cart.ts": """import { formatPrice } from "./format";

export function showCart(prices: number[]): string {
  return prices.map((price) => formatPrice(price)).join(", ");
}
""",
    "web/format.ts": """/** Write a price with its currency. */
export function formatPrice(price: number): string {
  return `${price.toFixed(2)} EUR`;
}
""",
}
SECRET = {
    "vault.py": '''def round_price(price: float) -> float:
    """The secret way to round a price of an order total."""
    return price
''',
}


def build_index(data: Path, repositories: Sequence[Repository]) -> Index:
    """Index ``repositories`` under the names of their directories and open what was published."""
    for repository in repositories:
        run_job(IndexJob(str(repository.path), name=repository.path.name), data, IndexConfig(), lambda _: None)
    return Index.open(data)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index of two repositories, ``shop`` and ``secret``; nobody writes to it."""
    directory = tmp_path_factory.mktemp("shop-index")
    repositories = []
    for name, files in (("shop", SHOP), ("secret", SECRET)):
        (directory / name).mkdir()
        repository = Repository(directory / name)
        repository.git("init", "--quiet", "--initial-branch=main")
        repository.commit(files, "Open the shop")
        repositories.append(repository)
    with build_index(directory / "data", repositories) as index:
        yield index
