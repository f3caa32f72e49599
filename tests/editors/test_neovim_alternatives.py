"""Other suggestions in Neovim in a real terminal: by the keys that the plugin has, from real engines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.model_server import ModelServer, running_model_server
from tests.editors.neovim_terminal import Neovim
from tests.editors.shop import Shop, alone, way_to
from tests.editors.terminal import Terminal
from tests.patience import patient_model

pytestmark = pytest.mark.real

LIKELIEST, OTHERS = "sum_of(carts)", ("add_up(carts)", "total_of(carts)")
PRICES = "".join(f"price_{n} = shop.price_of(item)\n" for n in range(6))
PRICES += "".join(f"price_{n} = shop.price_now(item)\n" for n in range(6, 10))


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    """A model that says one text where the likeliest is wanted, and two others where it may be another one."""

    async def write(model: ModelServer) -> None:
        others = 0
        while True:
            call = await model.calls.get()
            if call.temperature == 0:
                call.write(LIKELIEST, None)
            else:
                call.write(OTHERS[others % len(OTHERS)], None)
                others += 1

    async with running_model_server() as model:
        writing = asyncio.create_task(write(model))
        yield model
        writing.cancel()


@pytest.mark.parametrize("where", ["alone", "team"])
async def test_keys_show_what_else_a_model_says(
    editor: Neovim, shop: Shop, model: ModelServer, tmp_path: Path, where: str
) -> None:
    with way_to(where, shop, tmp_path, patient_model(model.url)) as way:
        editor.set_up(way.settings, way.folder / "shop" / "audit.py")
        terminal = editor.terminal
        await terminal.wait_for("Hearth vllm")
        terminal.type("G", "o", "total = ")
        await terminal.wait_for(r"total = sum_of\(carts\)$")
        terminal.type("M-]")
        second = await terminal.wait_for(r"total = (add_up|total_of)\(carts\) 2/3$")
        terminal.type("M-]")
        third = await terminal.wait_for(r"total = (add_up|total_of)\(carts\) 3/3$")
        assert ("add_up" in second) != ("add_up" in third)
        terminal.type("M-]")
        await terminal.wait_for(r"total = sum_of\(carts\) 1/3$")
        # A terminal sends this key as the beginning of others: one at a time.
        terminal.type("M-[")
        await terminal.wait_for(r" 3/3$")
        terminal.type("M-[")
        assert ("add_up" in await terminal.wait_for(r" 2/3$")) == ("add_up" in second)
        terminal.type("Tab")
        taken = "add_up" if "add_up" in second else "total_of"
        assert (await editor.saved("taken.py")).endswith(f"        total = {taken}(carts)\n")


async def test_keys_show_what_else_is_in_the_code(editor: Neovim, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "prices.py"
    file.write_text(f"{PRICES}\n\ndef now(shop, item):\n")
    editor.set_up(alone(shop, tmp_path).settings, file)
    terminal = editor.terminal
    await terminal.wait_for("Hearth embedded")
    terminal.type("G", "o", "price = shop.pri", "M-\\")
    await terminal.wait_for(r"price = shop\.pri\S* 1/\d$")
    first = await shown(terminal)
    terminal.type("M-]")
    await terminal.wait_for(r"price = shop\.pri\S* 2/\d$")
    assert first != await shown(terminal)
    terminal.type("M-[")
    await terminal.wait_for(r"price = shop\.pri\S* 1/\d$")
    assert first == await shown(terminal)


async def shown(terminal: Terminal) -> str:
    """Return the line with ghost text, less what is said about it."""
    found = re.search(r"^ *(price = .*) \d/\d$", await terminal.wait_for(r"\d/\d$"), re.MULTILINE)
    assert found is not None
    return found[1]
