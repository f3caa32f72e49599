"""What the tests in real editors share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.installed import install
from tests.editors.shop import Shop, Way, alone, make_shop, team
from tests.editors.terminal import Terminal


@pytest.fixture(scope="session")
def neovim() -> Path:
    """Neovim, installed into the cache when it is not there."""
    return install("install_neovim.sh", "nvim") / "nvim"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A repository and its index, which no test changes."""
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module", params=["alone", "team"])
def way(request: pytest.FixtureRequest, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """Each way to a server without a model: on this machine, and the team's behind TLS."""
    folder = tmp_path_factory.mktemp(str(request.param))
    if request.param == "alone":
        yield alone(shop, folder)
    else:
        with team(shop, folder) as served:
            yield served


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal, which ends with the test."""
    terminal = Terminal(install("install_neovim.sh", "nvim") / "tmux", tmp_path)
    yield terminal
    terminal.stop()
