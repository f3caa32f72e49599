"""What the tests in real editors share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.model_server import ModelServer, running_model_server
from tests.editors.installed import install
from tests.editors.neovim_terminal import Neovim
from tests.editors.shop import Shop, Way, make_shop, way_to
from tests.editors.terminal import Terminal

MODEL_WRITES = "cart.total_in_euro() + cart.other() + cart.rest() + cart.last()"
QUICK_WORDS, SLOW_SECONDS = 4, 4.0


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
    with way_to(request.param, shop, tmp_path_factory.mktemp(request.param)) as way:
        yield way


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal, which ends with the test."""
    terminal = Terminal(install("install_neovim.sh", "nvim") / "tmux", tmp_path)
    yield terminal
    terminal.stop()


class WritingModel:
    """Knows how ``total = `` goes on, and writes some words of it each fifth of a second, and the rest slowly.

    Where an editor stands still for many seconds while it writes, there still is more to come.
    """

    def __init__(self, server: ModelServer) -> None:
        self.url = server.url
        self.hurry = asyncio.Event()
        """Set when nothing need come slowly any more."""
        self._server = server

    async def write(self) -> None:
        while True:
            call = await self._server.calls.get()
            typed = call.prompt.rpartition("total = ")[2].partition("<|")[0]
            rest = MODEL_WRITES.removeprefix(typed) if MODEL_WRITES.startswith(typed) else ""
            for number, word in enumerate(re.findall(r"\W*\w+|\W+$", rest)):
                if number > QUICK_WORDS:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.hurry.wait(), SLOW_SECONDS)
                call.write(word)
                await asyncio.sleep(0.2)
            call.write(None)


@pytest.fixture
async def writing_model() -> AsyncIterator[WritingModel]:
    """A model that writes word by word."""
    async with running_model_server() as server:
        model = WritingModel(server)
        writing = asyncio.create_task(model.write())
        yield model
        writing.cancel()


@pytest.fixture
def editor(neovim: Path, terminal: Terminal, tmp_path: Path) -> Neovim:
    """Neovim in a terminal, which a test starts."""
    return Neovim(neovim, terminal, tmp_path)
