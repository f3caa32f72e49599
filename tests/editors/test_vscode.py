"""The extension in real VS Code: installed from its package, with the real server, on a repository of the test."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.model_server import ModelServer, running_model_server
from tests.editors.vscode_shop import AUDIT, WINDOWS, Shop, asked, grew, make_shop, write_on
from tests.editors.vscode_workbench import Tools, Workbench, install, workbench
from tests.patience import PATIENT, patient_model

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def tools() -> Tools:
    """VS Code, the browser and the package, installed when they are not there."""
    return install()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return make_shop(tmp_path)


@asynccontextmanager
async def opened(
    tools: Tools, shop: Shop, scratch: Path, name: str, model: ModelServer | None, *, dark: bool = True
) -> AsyncIterator[Workbench]:
    """Show a file in VS Code, with the cursor at its end and the server ready."""
    config = scratch / "hearth.toml"
    engine = patient_model(model.url) if model is not None else ""
    config.write_text(engine + PATIENT)
    async with workbench(tools, scratch, shop.repository.path, name, shop.settings(config), dark=dark) as bench:
        await bench.wait_for_status("Hearth: model" if model is not None else "Hearth: index only$")
        await bench.press("Control+End")
        yield bench


async def test_ghost_text_grows_and_is_taken_in_parts(tools: Tools, shop: Shop, tmp_path: Path) -> None:
    async with (
        running_model_server() as model,
        opened(tools, shop, tmp_path, "shop/audit.py", model) as bench,
    ):
        await bench.record()
        await bench.press("Enter")
        call = await asked(model, "for cart in carts:\n        ")
        grown = ""
        for word in (
            "total",
            " =",
            " cart.",
            "total_in_euro",
            "(",
            ")",
            ".plus",
            "(",
            "other",
            ")",
            "\n        print(total)",
        ):
            call.write(word)
            grown += word
            if word in {" cart.", ")", "other"}:
                await bench.wait_for_ghost(grown)
        # Ghost text on several lines is shown in two places.
        call.write(None)
        await bench.wait_for_ghost(grown.replace("\n", ""))
        steps = grew(await bench.recorded())
        assert len(steps) >= 3, steps
        await bench.screenshot("ghost-dark")

        await bench.press("Control+ArrowRight")
        await bench.wait_for_line(6, "        total")
        await bench.press("Control+ArrowDown")
        await bench.wait_for_line(6, "        total = cart.total_in_euro().plus(other)")
        # In front of code that is indented, VS Code's own Tab indents first, and the suggestion follows.
        for indentation in ("        ", "    ", ""):
            await bench.wait_for_ghost(f"{indentation}print(total)")
            await bench.press("Tab")
        await bench.wait_for_line(7, "        print(total)")
        saved = await bench.save("shop/audit.py")
        expected = AUDIT + "\n        total = cart.total_in_euro().plus(other)\n        print(total)"
        assert saved == expected.encode()


async def test_typing_what_is_suggested_keeps_it_and_escape_ends_it(tools: Tools, shop: Shop, tmp_path: Path) -> None:
    async with (
        running_model_server() as model,
        opened(tools, shop, tmp_path, "shop/cart.ts", model, dark=False) as bench,
    ):
        await bench.type("c")
        call = await asked(model, "return c")
        call.write("arts.map(", "(cart)")
        await bench.wait_for_ghost("arts.map((cart)")
        # The stream is open still. The server may go on with it, or ask the model again for what is left.
        again = asyncio.create_task(write_on(model, "return ", "carts.map((cart) => cart.owner);"))
        await bench.record()
        await bench.type("arts")
        await bench.wait_for_ghost(".map((cart)")
        call.write(" => cart.owner)", ";", None)
        await bench.wait_for_ghost(".map((cart) => cart.owner);")
        again.cancel()
        frames = await bench.recorded()
        assert "" not in [frame.text for frame in frames], frames
        await bench.screenshot("ghost-light")

        await bench.press("Escape")
        await bench.wait_for_ghost("")
        assert await bench.line(8) == "  return carts"
        await bench.type("!")
        call = await asked(model, "return carts!")
        call.write(".at(0)", None)
        await bench.wait_for_ghost(".at(0)")


async def test_file_with_crlf_tabs_and_emoji_is_saved_byte_for_byte(tools: Tools, shop: Shop, tmp_path: Path) -> None:
    async with (
        running_model_server() as model,
        opened(tools, shop, tmp_path, "shop/windows.py", model) as bench,
    ):
        await bench.type("print('👋', ")
        call = await asked(model, "print('👋', ")
        call.write("names", ")", None)
        await bench.wait_for_ghost("names)")
        await bench.press("Tab")
        await bench.wait_for_ghost("")
        await bench.press("Enter")
        await bench.type("return names")
        saved = await bench.save("shop/windows.py")
        assert saved == (WINDOWS + "print('👋', names)\r\n\treturn names").encode()


async def test_server_that_dies_is_started_again(tools: Tools, shop: Shop, tmp_path: Path) -> None:
    async with opened(tools, shop, tmp_path, "shop/audit.py", None) as bench:
        first = shop.server_process()
        os.kill(first, signal.SIGKILL)
        await bench.wait_for_status("server stopped, again in 1 s")
        await bench.screenshot("server-stopped")
        await bench.wait_for_status("Hearth: index only$")
        assert shop.server_process() != first
        await bench.press("Enter")
        await bench.type("total = ")
        await bench.wait_for_ghost("cart.total_in_euro()")


async def test_explanation_is_shown_and_its_citation_opens_the_line(tools: Tools, shop: Shop, tmp_path: Path) -> None:
    async with opened(tools, shop, tmp_path, "shop/report.py", None, dark=False) as bench:
        await bench.press("Control+Home", *["ArrowDown"] * 5)
        await bench.call("command", "Hearth: Explain")
        await bench.call("waitForPanel", "#sources li", "shop/report.py")
        await bench.screenshot("explanation-light")
        assert "report" in await bench.call("panel", "#text")
        await bench.call("clickPanel", "#text a[data-number='2']")
        await bench.call("waitForTab", "cart.ts")
        await bench.call("waitForCursor", "Ln 3, Col 1")


async def test_search_finds_and_opens(tools: Tools, shop: Shop, tmp_path: Path) -> None:
    async with opened(tools, shop, tmp_path, "shop/audit.py", None) as bench:
        await bench.call("command", "Hearth: Search the company's code")
        await bench.call("pick", "What does it do", "convert to euro")
        await bench.call("waitForRow", "shop/money.py:1")
        await bench.screenshot("search-dark")
        await bench.press("Enter")
        await bench.call("waitForTab", "money.py")
        await bench.call("waitForCursor", "Ln 1, Col 1")


async def test_missing_server_is_said_once_and_clearly(tools: Tools, shop: Shop, tmp_path: Path) -> None:
    settings = {"hearth.server.path": "/nowhere/hearth"}
    async with workbench(tools, tmp_path, shop.repository.path, "shop/audit.py", settings) as bench:
        await bench.wait_for_status("Hearth: server not found")
        await bench.call("waitForText", 'there is no program "/nowhere/hearth"')
        await bench.screenshot("server-missing")
