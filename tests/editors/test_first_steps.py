"""A newcomer with an empty home directory, who does what the README of an editor says and nothing else."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.editors.documented import first_steps
from tests.editors.neovim_child import PLUGIN
from tests.editors.shop import Shop
from tests.editors.team import Team, make_team
from tests.editors.terminal import Terminal
from tests.patience import PATIENT
from tests.server.gateway.browser import browsing
from tests.server.gateway.team import HEARTH

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
EXAMPLE = "https://hearth.example.com"
LINES = 30


class Newcomer:
    """Somebody whose home directory is empty, at a terminal that knows no variable of the tests.

    The command ``hearth`` is there as if it had been installed: installing it takes a minute and the network.
    """

    def __init__(self, home: Path, terminal: Terminal, neovim: Path) -> None:
        self.home = home
        self.terminal = terminal
        command = home / ".local" / "bin" / "hearth"
        command.parent.mkdir(parents=True)
        command.write_text(f'#!/bin/sh\nexec {shlex.join(HEARTH)} "$@"\n')
        command.chmod(0o755)
        self._path = f"{command.parent}:{neovim.parent}:/usr/local/bin:/usr/bin:/bin"

    def shell(self, **more: str) -> None:
        """Open a shell in the home directory."""
        variables = {"HOME": str(self.home), "PATH": self._path, "LANG": "C.UTF-8", "TERM": "xterm", **more}
        words = [f"{name}={value}" for name, value in variables.items()]
        self.terminal.start(["env", "-i", *words, "sh"], {}, self.home, LINES, 160)

    def configure(self, settings: str) -> None:
        """Write the configuration of Neovim."""
        file = self.home / ".config" / "nvim" / "init.lua"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(settings + "\n")

    async def sees_a_suggestion(self, clone: Path) -> None:
        """Open a file in Neovim, type, and wait for grey text; then look at the health and the help."""
        terminal = self.terminal
        terminal.type(f"clear; cd {shlex.quote(str(clone))} && nvim shop/audit.py", "Enter")
        await terminal.wait_for(r"^shop/audit\.py ")
        await self._waits_for_the_index()
        terminal.type("G", "o", "total = ")
        await terminal.wait_for(r"total = cart\.total_in_euro\(\)")
        terminal.type("Tab", "Escape", ":checkhealth hearth", "Enter")
        screen = await terminal.wait_for("the server is running")
        assert "WARNING" not in screen, screen
        assert "ERROR" not in screen, screen
        terminal.type(":q", "Enter")
        await terminal.wait_for(r"total = cart\.total_in_euro\(\)$")

    async def _waits_for_the_index(self) -> None:
        """Look at ``:HearthStatus``, as the README says, until the repository is there."""
        async with asyncio.timeout(120):
            screen = ""
            while not re.search(r"shop main @\w+: ready", screen):
                self.terminal.type(":HearthStatus", "Enter")
                screen = await self.terminal.wait_for("│server: ")
                self.terminal.type("q")
                await self.terminal.wait_until_gone("│server: ")


@pytest.fixture
def newcomer(tmp_path: Path, terminal: Terminal, neovim: Path) -> Newcomer:
    home = tmp_path / "home"
    home.mkdir()
    return Newcomer(home, terminal, neovim)


@asynccontextmanager
async def served(shop: Shop, folder: Path) -> AsyncIterator[Team]:
    """Run a team's server behind TLS that hands out the plugin as ``make downloads`` puts it there."""
    data = folder / "data"
    shutil.copytree(shop.data, data)
    team = make_team(folder, data, PATIENT)
    (data / "downloads").mkdir()
    with tarfile.open(data / "downloads" / "hearth.nvim.tar.gz", "w:gz") as package:
        for name in ("doc/hearth.txt", "lua"):
            package.add(PLUGIN / name, f"hearth.nvim/{name}")
    async with team.serving():
        yield team


async def test_neovim_with_the_team_server(newcomer: Newcomer, shop: Shop, tmp_path: Path) -> None:
    async with served(shop, tmp_path) as team:
        _, command, *steps = first_steps("neovim")
        assert f"/hearth-{version('hearth')}-py3-none-any.whl -o " in command
        sign_in, install, settings = (step.replace(EXAMPLE, team.url) for step in steps)
        clone = newcomer.home / "src" / "my-working-copy"
        shop.repository.git("clone", "--quiet", str(shop.repository.path), str(clone))
        newcomer.configure(settings)
        terminal = newcomer.terminal
        # As on a machine whose system trusts the company's certificate.
        newcomer.shell(SSL_CERT_FILE=str(team.authority), CURL_CA_BUNDLE=str(team.authority))
        terminal.type(sign_in, "Enter")
        screen = await terminal.wait_for(r"shows the code \S+")
        [code] = re.findall(r"device\?code=(\S+) in a browser", screen)
        await let_in(team, code, "hearth sign-in")
        await terminal.wait_for("hearth: signed in to")
        for line in install.splitlines():
            terminal.type(line, "Enter")
        terminal.type("echo installed with status $?", "Enter")
        await terminal.wait_for("installed with status 0$")
        await newcomer.sees_a_suggestion(clone)
        terminal.type(":help hearth", "Enter")
        await terminal.wait_for(r"hearth\.txt")


async def let_in(team: Team, code: str, what: str) -> None:
    """Say yes, in a browser, to what asks to be let in."""
    async with browsing(team.url, team.token, ssl=False) as browser:
        assert what in (await browser.get(f"/device?code={code}")).text
        assert (await browser.post("/device", {"code": code, "action": "allow"})).status == 200
