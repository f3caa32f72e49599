"""Neovim in a real terminal, with a configuration of its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.editors.neovim_child import PLUGIN, environment
from tests.editors.terminal import COLUMNS, Terminal

LINES = 30
# What the plugin's README has, and a statusline to see its state by.
SETUP = """vim.opt.runtimepath:prepend({plugin})
require("hearth").setup(vim.json.decode([==[{settings}]==]))
vim.o.statusline = '%f %{{v:lua.require("hearth").statusline()}}'
"""
# Vim's own words on what it has written hold the whole path, which is longer than some lines.
SAVING = """
vim.api.nvim_create_user_command("SaveAs", function(command)
  vim.cmd("silent write! " .. vim.fn.fnameescape({folder} .. "/" .. command.args))
  vim.api.nvim_echo({{{{ "saved " .. command.args }}}}, false, {{}})
end, {{ nargs = 1 }})
"""
COMMON = "vim.o.termguicolors = true\nvim.o.laststatus = 2\nvim.o.swapfile = false\n"


class Neovim:
    """Neovim with a configuration of its own, in a terminal."""

    def __init__(self, program: Path, terminal: Terminal, scratch: Path) -> None:
        self._program = program
        self._scratch = scratch
        self.terminal = terminal

    def start(self, configuration: str, file: Path, columns: int = COLUMNS) -> None:
        """Open a file."""
        init = self._scratch / "init.lua"
        init.write_text(configuration + COMMON + SAVING.format(folder=json.dumps(str(self._scratch))))
        variables = {name: value for name, value in environment(self._scratch).items() if name[:4] in {"XDG_", "LC_A"}}
        command = [str(self._program), "--clean", "-u", str(init), str(file)]
        self.terminal.start(command, variables, file.parent, LINES, columns)

    def set_up(self, settings: dict[str, Any], file: Path, columns: int = COLUMNS) -> None:
        """Open a file with the plugin."""
        plugin = json.dumps(str(PLUGIN))
        self.start(SETUP.format(plugin=plugin, settings=json.dumps(settings)), file, columns)

    def command(self, text: str) -> None:
        """Type a command in normal mode."""
        self.terminal.type("Escape", f":{text}", "Enter")

    async def saved(self, name: str) -> str:
        """Write the buffer to a file of the test, and return what is in it."""
        self.command(f"SaveAs {name}")
        await self.terminal.wait_for(f"^saved {name}")
        return await asyncio.to_thread((self._scratch / name).read_text)

    async def told(self) -> str:
        """Return what ``:HearthStatus`` shows, its lines joined, and close it."""
        self.command("HearthStatus")
        screen = await self.terminal.wait_for("│server: ")
        self.terminal.type("q")
        await self.terminal.wait_until_gone("│server: ")
        return " ".join(line.partition("│")[2].partition("│")[0].strip() for line in screen.splitlines())
