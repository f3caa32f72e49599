"""A company with a repository whose history can be typed again."""

from __future__ import annotations

from pathlib import Path

from server.accounts import Accounts
from tests.conftest import Repository
from tests.server.indexed import build_index


def company_data(directory: Path) -> Path:
    """Return a data directory with the repositories ``history`` and ``hidden``; root and ana read the first alone."""
    data = directory / "data"
    build_index(data, [_history(directory / name) for name in ("history", "hidden")]).close()
    with Accounts(data) as accounts:
        accounts.add_user("root", ["readers"])
        accounts.add_user("ana", ["readers"])
        accounts.add_to_group("readers", repositories=["history"])
    return data


def _history(path: Path) -> Repository:
    """Make a repository whose later commits add functions."""
    path.mkdir(parents=True)
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    text = '"""Prices of a shop."""\n\n\ndef total(prices):\n    return sum(prices)\n'
    repository.commit({"shop/prices.py": text}, "Open the shop")
    for name in ("rounded", "reduced", "doubled", "counted", "checked"):
        text += f"\n\ndef {name}(prices):\n    values = [price * 2 for price in prices]\n    return sum(values)\n"
        repository.commit({"shop/prices.py": text}, f"Add {name}")
    return repository
