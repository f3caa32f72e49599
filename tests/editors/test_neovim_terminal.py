"""Neovim in a real terminal, by the keys that a user presses and the screen that a user sees."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.editors.conftest import WritingModel
from tests.editors.neovim_child import PLUGIN
from tests.editors.neovim_terminal import SETUP, Neovim
from tests.editors.shop import Shop, Way, way_to
from tests.editors.terminal import Terminal
from tests.patience import WAIT_SECONDS, patient_model

pytestmark = pytest.mark.real

BUILT_IN = """vim.lsp.config("hearth", {{ cmd = vim.json.decode([==[{command}]==]), root_markers = {{ ".git" }} }})
vim.lsp.enable("hearth")
vim.lsp.inline_completion.enable()
vim.keymap.set("i", "<Tab>", function()
  if not vim.lsp.inline_completion.get() then
    return "<Tab>"
  end
end, {{ expr = true }})
vim.api.nvim_create_autocmd("LspAttach", {{ callback = function() vim.o.statusline = "attached" end }})
"""


@pytest.mark.parametrize("where", ["alone", "team"])
async def test_text_grows_and_is_taken_by_word_line_and_whole(
    editor: Neovim, shop: Shop, writing_model: WritingModel, tmp_path: Path, where: str
) -> None:
    with way_to(where, shop, tmp_path, patient_model(writing_model.url)) as way:
        editor.set_up(way.settings, way.folder / "shop" / "audit.py")
        terminal = editor.terminal
        await terminal.wait_for("Hearth vllm")
        terminal.type("G", "o", "total = ")
        seen = await texts_until(terminal, "total = ", "cart.total_in_euro() + cart.other()")
        writing_model.hurry.set()
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(seen)), seen
        # What is typed while the model writes stays, and the text goes on growing.
        terminal.type("car")
        await terminal.wait_for_ghost("total = car", "t.total_in_euro() + cart.other() + cart.rest() + cart.last()")
        terminal.type("C-Right")
        await terminal.wait_for_ghost("total = cart", ".total_in_euro() + cart.other() + cart.rest() + cart.last()")
        terminal.type("C-]")
        await terminal.wait_for(r"total = cart$")
        terminal.type(".")
        await terminal.wait_for_ghost("total = cart.", "total_in_euro() + cart.other() + cart.rest() + cart.last()")
        terminal.type("Tab")
        assert (await editor.saved("taken.py")).endswith(
            "        total = cart.total_in_euro() + cart.other() + cart.rest() + cart.last()\n"
        )
        # Each part that was taken is a step of its own.
        terminal.type("u")
        await terminal.wait_for(r"total = cart\.$")
        terminal.type("u", "u")
        await terminal.wait_for(r"total = car$")


async def texts_until(terminal: Terminal, typed: str, last: str) -> list[str]:
    """Return the texts, three or more, that were seen behind what was typed, until one begins with ``last``."""
    seen: list[str] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while len(seen) < 3 or not seen[-1].startswith(last):
            found = re.search(rf"{re.escape(typed)}(\S.*?) *$", terminal.screen(), re.MULTILINE)
            if found and (not seen or seen[-1] != found[1]):
                seen.append(found[1])
            await asyncio.sleep(0.03)
    return seen


async def test_a_day(editor: Neovim, way: Way) -> None:
    """The rest of a day, without a model: a line is taken, code is explained and searched, and the server is killed."""
    editor.set_up(way.settings, way.folder / "shop" / "audit.py")
    terminal = editor.terminal
    await terminal.wait_for("Hearth embedded")
    terminal.type("G", "o", "total = ")
    await terminal.wait_for_ghost("total = ", "cart.total_in_euro()")
    assert "-- INSERT --" in terminal.screen()
    terminal.type("C-l")
    assert (await editor.saved("line.py")).endswith("        total = cart.total_in_euro()\n")

    editor.command("HearthExplain")
    await terminal.wait_for(r"`audit`\*\* is a function in")
    await terminal.wait_for(r"- \[2\] `Cart` shop/cart\.py:")
    terminal.type("C-w", "l", "G", "?cart.py:", "Enter", "Enter")
    await terminal.wait_for(r"shop/cart\.py Hearth")
    assert "What a customer wants to buy" in terminal.screen()

    editor.command("only")
    editor.command("HearthSearch convert to euro by the rate of the day")
    screen = await terminal.wait_for(r"Type number")
    number = re.search(r"^ *(\d+): shop/money\.py:\d+ ", screen, re.MULTILINE)
    assert number is not None, screen
    terminal.type(number[1], "Enter")
    await terminal.wait_for(r"shop/money\.py Hearth")
    assert "def convert_to_euro" in terminal.screen()

    await kill_the_server(editor, way)
    await terminal.wait_for("Hearth embedded")
    editor.command(f"edit! {way.folder}/shop/audit.py")
    editor.command("edit!")
    await terminal.wait_until_gone("total")
    terminal.type("G", "o", "total = ")
    await terminal.wait_for_ghost("total = ", "cart.total_in_euro()")


async def kill_the_server(editor: Neovim, way: Way) -> None:
    """Kill it without a word, and see that the statusline says so."""
    if way.pid is None:
        kill = "for _, pid in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do vim.uv.kill(pid, 9) end"
        editor.command(f"lua {kill}")
        await editor.terminal.wait_for("Hearth down")
    else:
        os.kill(int(way.pid.read_text()), signal.SIGKILL)
        await editor.terminal.wait_for("Hearth reconnecting")


@pytest.mark.parametrize("way", ["team"], indirect=True)
async def test_a_wrong_token_is_said_once_and_a_right_one_lets_in_by_itself(
    editor: Neovim, way: Way, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("hearth_mistyped\n")
    server = {**way.settings["server"], "token_file": str(token)}
    editor.set_up({"server": server}, way.folder / "shop" / "audit.py")
    terminal = editor.terminal
    await terminal.wait_for("not a whole token")
    await terminal.wait_for("Hearth connecting")
    told = await editor.told()
    assert told.count("not a whole token") == 2, told  # As what was said, and as what is.
    assert "hearth sign-in" in told, told
    shutil.copyfile(way.settings["server"]["token_file"], token)
    await terminal.wait_for("Hearth embedded")
    terminal.type("G", "o", "total = ")
    await terminal.wait_for_ghost("total = ", "cart.total_in_euro()")


async def test_no_message_at_the_start_asks_for_enter(editor: Neovim, tmp_path: Path) -> None:
    file = tmp_path / "demo.py"
    file.write_text("first = 1\n")
    (tmp_path / ".git").mkdir()
    settings = {"cmd": [f"no-{'such-' * 20}hearth"], "nonsense": "x" * 50, "max_lines": "many", "debounce_ms": "few"}
    editor.set_up(settings, file, columns=80)
    terminal = editor.terminal
    await terminal.wait_for(r"^Hearth: .*… \(:HearthStatus\)")
    await terminal.wait_for("Hearth down")
    terminal.type("o", "second = 2", "Escape")
    told = await editor.told()
    assert "`nonsense` is not a setting" in told, told
    assert "See :help hearth-configuration." in told, told
    assert "checkhealth hearth tells more." in told, told
    assert await editor.saved("typed.py") == "first = 1\nsecond = 2\n"


# <F2> says the next of all that there is to say, at more length than any command line has.
SAY_EVERYTHING = """local long = ("long "):rep(40)
local sayings = { function() require("hearth.client")._show({ type = 1, message = "Hearth: " .. long }) end }
for code, kind in vim.spairs(require("hearth.errors").kinds) do
  table.insert(sayings, function()
    require("hearth.errors").notify(code, kind.message:find("%d", 1, true) and 7 or long, long, "several\\nlines")
  end)
end
local said = 0
vim.keymap.set("i", "<F2>", function()
  for _ = 1, 2 do
    said = said + 1
    (sayings[said] or sayings[1])()
  end
end)
"""


async def test_no_message_while_typing_asks_for_enter(editor: Neovim, tmp_path: Path) -> None:
    file = tmp_path / "demo.py"
    file.write_text("")
    setup = SETUP.format(plugin=json.dumps(str(PLUGIN)), settings='{"enabled": false}')
    editor.start(setup + SAY_EVERYTHING, file, columns=80)
    terminal = editor.terminal
    await terminal.wait_for("Hearth off")
    terminal.type("i")
    await terminal.wait_for("-- INSERT --")
    for count in range(1, 13):
        terminal.type("F2")
        screen = await terminal.wait_for("^Hearth: ")
        assert "Press ENTER" not in screen, screen
        terminal.type("x")
        await terminal.wait_for("^" + "x" * count + "$")


async def test_built_in_completion_alone(editor: Neovim, way: Way) -> None:
    editor.start(BUILT_IN.format(command=json.dumps(way.command)), way.folder / "shop" / "audit.py")
    terminal = editor.terminal
    await terminal.wait_for("^attached")
    terminal.type("G", "o", "total = ")
    await terminal.wait_for_ghost("total = ", "cart.total_in_euro()")
    terminal.type("Tab")
    await terminal.wait_for(r"total = cart\.total_in_euro\(\)$")
    assert (await editor.saved("taken.py")).endswith("        total = cart.total_in_euro()\n")
    # Explaining is a code action here, and what it shows is a document.
    editor.command("lua vim.lsp.buf.code_action()")
    await terminal.wait_for(r"Explain this code \(Hearth\)")
    terminal.type("1", "Enter")
    await terminal.wait_for(r"^\*\*`audit`\*\* is a function in `shop/audit\.py`")
    terminal.type("/cart.py:", "Enter", "gF")
    await terminal.wait_for(r"What a customer wants to buy\.\"\"\"")
