"""A repository that editors are tried on, its index, and two ways to its server: on this machine, and the team's."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Repository
from tests.editors.team import make_team
from tests.patience import PATIENT
from tests.server.gateway.team import HEARTH

LIMIT_SECONDS = 200

CART = '''"""The cart of a shop."""

from shop.money import Money, convert_to_euro


class Cart:
    """What a customer wants to buy."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.entries: list[Entry] = []

    def total_in_euro(self) -> Money:
        """Add up all entries, each converted to euro."""
        total = Money(0, "EUR")
        for entry in self.entries:
            total = total.plus(convert_to_euro(entry.price))
        return total
'''
MONEY = '''"""Amounts of money."""


class Money:
    """An amount in a currency."""

    def plus(self, other: "Money") -> "Money":
        """Add two amounts of one currency."""
        return Money(self.amount + other.amount, self.currency)


def convert_to_euro(price: Money) -> Money:
    """Convert any amount to euro by the rate of the day."""
    return Money(price.amount * 2, "EUR")
'''
REPORT = '''"""Reports on carts."""

from shop.cart import Cart


def report(carts: list[Cart]) -> list[str]:
    """Say what is in every cart."""
    lines = []
    for cart in carts:
        total = cart.total_in_euro()
        label = "👩‍👩‍👧 é שלום: " + cart.owner.upper()
        lines.append(f"{cart.owner}: {total.amount} {total.currency}")
    return lines
'''
REPORTS = ("report", "invoice", "reminder", "statement", "receipt", "estimate")
ODD = "from shop.cart import Cart\n\n\ndef odd(carts: list[Cart]) -> None:\n\tfor cart in carts:"
AUDIT = """from shop.cart import Cart


def audit(carts: list[Cart]) -> None:
    for cart in carts:
"""
WINDOW = """import { Cart } from "./cart";

export function prices(carts: Cart[]): void {
  for (const cart of carts) {
"""
BILLING = '''"""Bills of the billing department."""

RATE = 7


def dunning_letter(customer: str) -> str:
    """Remind a customer of a bill that is overdue."""
    return f"Dear {customer}, please pay."
'''


@dataclass(frozen=True, slots=True)
class Shop:
    """A repository and the index of it and of one more, ``billing``, that is on this machine in no work tree."""

    repository: Repository
    data: Path


@dataclass(frozen=True, slots=True)
class Way:
    """A way for an editor to its server.

    Attributes:
        folder: The work tree that the editor opens.
        settings: What the Neovim plugin is set up with.
        command: What any other editor starts.
        pid: File with the process id of the server, when the editor did not start it.
    """

    folder: Path
    settings: dict[str, Any]
    command: list[str]
    pid: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return what the specs with a real server read."""
        return {
            "HEARTH_TEST_REPOSITORY": str(self.folder),
            "HEARTH_TEST_SETTINGS": json.dumps(self.settings),
            "HEARTH_TEST_COMMAND": json.dumps(self.command),
            "HEARTH_TEST_PID": str(self.pid or ""),
        }


def make_shop(folder: Path) -> Shop:
    """Make the repositories and their index."""
    repository, billing = Repository(folder / "shop"), Repository(folder / "billing")
    for each in (repository, billing):
        each.path.mkdir()
        each.git("init", "--quiet", "--initial-branch=main")
    repository.commit(
        {
            "shop/cart.py": CART,
            "shop/money.py": MONEY,
            # Said often enough for an engine without a model to be sure of it.
            **{f"shop/{name}.py": REPORT.replace("report", name) for name in REPORTS},
            "shop/audit.py": AUDIT,
            "shop/windows.py": AUDIT.replace("\n", "\r\n"),
            "shop/odd.py": ODD,
            "shop/window.ts": WINDOW,
        }
    )
    billing.commit({"billing/dunning.py": BILLING})
    data = folder / "data"
    index = [*HEARTH, "index", str(repository.path), str(billing.path), "--data", str(data)]
    subprocess.run(index, check=True, capture_output=True, timeout=LIMIT_SECONDS)
    shutil.rmtree(billing.path)
    return Shop(repository, data)


@contextmanager
def way_to(where: str, shop: Shop, folder: Path, settings: str = "") -> Iterator[Way]:
    """Lead to the server of one machine (``"alone"``), or to the team's (``"team"``)."""
    if where == "alone":
        yield alone(shop, folder, settings)
    else:
        with team(shop, folder, settings) as served:
            yield served


def alone(shop: Shop, folder: Path, settings: str = "") -> Way:
    """Return the way to ``hearth lsp`` with ``settings`` in its hearth.toml."""
    config = folder / "hearth.toml"
    config.write_text(settings + PATIENT)
    given = {"cmd": [*HEARTH, "lsp"], "data": str(shop.data), "config_file": str(config), "auto_index": False}
    options = ["--data", str(shop.data), "--config", str(config), "--no-auto-index"]
    return Way(shop.repository.path, given, [*HEARTH, "lsp", *options])


@contextmanager
def team(shop: Shop, folder: Path, settings: str = "") -> Iterator[Way]:
    """Run ``hearth serve`` behind TLS, and start it again whenever it ends, as a service manager does.

    The editor has a clone of the repository, under another name, as on a machine of its own.
    """
    data, clone = folder / "data", folder / "my-working-copy"
    shutil.copytree(shop.data, data)
    shop.repository.git("clone", "--quiet", str(shop.repository.path), str(clone))
    served = make_team(folder, data, settings + PATIENT)
    token = folder / "token"
    token.write_text(f"{served.token}\n")
    server = {
        "url": served.url,
        "cmd": [*HEARTH, "connect"],
        "token_file": str(token),
        "ca_file": str(served.authority),
    }
    options = [served.url, "--token-file", str(token), "--ca", str(served.authority)]
    with served.kept_running() as pid:
        yield Way(clone, {"server": server}, [*HEARTH, "connect", *options], pid)
