"""Runs the ``hearth`` command in this process, as a user would type it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.cli import main
from tests.conftest import Repository

CART = """\
def total(prices):
    result = 0
    for price in prices:
        result += price
    return result


def average(prices):
    return total(prices) / len(prices)
"""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        (line,) = self.out.splitlines()
        return json.loads(line)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Hearth = Callable[..., Outcome]


@pytest.fixture
def hearth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path) -> Hearth:
    """Return ``(*arguments) -> Outcome``; uses the shared index unless the arguments name another."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "config-dirs"))
    monkeypatch.delenv("HEARTH_CONFIG", raising=False)
    monkeypatch.delenv("HEARTH_DEBUG", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Outcome:
        texts = [str(argument) for argument in arguments]
        takes_data = texts and texts[0] in {"complete", "explain", "doctor", "search", "status"}
        if takes_data and "--data" not in texts:
            texts += ["--data", str(data)]
        monkeypatch.setattr(sys, "argv", ["hearth", *texts])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository named ``shop``."""
    path = tmp_path_factory.mktemp("work") / "shop"
    path.mkdir()
    shop = Repository(path)
    shop.git("init", "--quiet", "--initial-branch=main")
    shop.commit({"shop/cart.py": CART, "shop/windows.py": "x = 1\r\ny = 2\r\n", "README.md": "# Shop\n"}, "first")
    return shop


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, repository: Repository) -> Path:
    """A data directory with the index of ``shop``."""
    from indexer.config import IndexConfig
    from indexer.types import IndexJob
    from indexer.worker import run_job

    directory = tmp_path_factory.mktemp("data")
    run_job(IndexJob(str(repository.path), name="shop"), directory, IndexConfig(), lambda _: None)
    return directory
