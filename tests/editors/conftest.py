"""What the tests in real editors share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.model_server import ModelServer, running_model_server
from tests.editors.installed import install
from tests.editors.shop import Shop, Way, alone, make_shop, team
from tests.editors.terminal import Terminal

MODEL_WRITES = "cart.total_in_euro() + cart.other() + cart.rest() + cart.last()"


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


@pytest.fixture
async def writing_model() -> AsyncIterator[ModelServer]:
    """A model that knows how ``total = `` goes on, and writes a word of it each fifth of a second."""

    async def write(model: ModelServer) -> None:
        while True:
            call = await model.calls.get()
            typed = call.prompt.rpartition("total = ")[2].partition("<|")[0]
            rest = MODEL_WRITES.removeprefix(typed) if MODEL_WRITES.startswith(typed) else ""
            for word in re.findall(r"\W*\w+|\W+$", rest):
                call.write(word)
                await asyncio.sleep(0.2)
            call.write(None)

    async with running_model_server() as model:
        writing = asyncio.create_task(write(model))
        yield model
        writing.cancel()
