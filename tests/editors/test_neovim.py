"""The Neovim plugin in real Neovim: each case of ``neovim/specs`` is a test here."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.model_server import ModelServer, running_model_server
from tests.editors.neovim_child import PLUGIN, Case, cases, environment, run_case
from tests.editors.shop import LIMIT_SECONDS, Shop, Way, alone, team
from tests.editors.terminal import Terminal

pytestmark = pytest.mark.real

MODEL_WRITES = "cart.total_in_euro() + cart.other() + cart.rest() + cart.last()"


@pytest.mark.parametrize("case", cases("ghost_text", "accept", "text", "lifecycle", "explain"))
def test_scripted_server(neovim: Path, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case)


@pytest.mark.parametrize("case", cases("server"))
def test_real_server(neovim: Path, way: Way, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case, way.environment())


@pytest.mark.parametrize("case", cases("team"))
@pytest.mark.parametrize("way", ["team"], indirect=True)
def test_team_server(neovim: Path, way: Way, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case, way.environment())


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


@pytest.mark.parametrize("case", cases("model"))
@pytest.mark.parametrize("where", ["alone", "team"])
async def test_model_server(
    neovim: Path, shop: Shop, writing_model: ModelServer, tmp_path: Path, *, case: Case, where: str
) -> None:
    settings = f'[engine.vllm]\nurl = "{writing_model.url}"\n'

    def run() -> None:
        if where == "alone":
            run_case(neovim, tmp_path, case, alone(shop, tmp_path, settings).environment())
        else:
            with team(shop, tmp_path, settings) as served:
                run_case(neovim, tmp_path, case, served.environment())

    await asyncio.to_thread(run)


async def test_in_a_terminal(neovim: Path, way: Way, terminal: Terminal, tmp_path: Path) -> None:
    init = tmp_path / "init.lua"
    init.write_text(
        f"vim.opt.runtimepath:prepend({json.dumps(str(PLUGIN))})\n"
        f"require('hearth').setup(vim.json.decode([[{json.dumps(way.settings)}]]))\n"
        "vim.o.statusline = '%f %{v:lua.require(\"hearth\").statusline()}'\n"
        "vim.o.termguicolors = true\n"
        "vim.o.laststatus = 2\n"
    )
    variables = environment(tmp_path)
    terminal.start(
        [str(neovim), "--clean", "-n", "-u", str(init), str(way.folder / "shop" / "audit.py")],
        {name: variables[name] for name in variables if name.startswith(("XDG_", "LC_"))},
        tmp_path,
    )
    await terminal.wait_for("Hearth embedded")
    terminal.type("G", "o", "total = ")
    screen = await terminal.wait_for("total = cart")
    assert "-- INSERT --" in screen
    await terminal.wait_for_ghost("total = ", "cart.total_in_euro()")
    terminal.type("Tab")
    terminal.type("Escape")
    terminal.type(":w! ", str(tmp_path / "saved.py"), "Enter")
    await terminal.wait_for("written")
    assert "\n        total = cart" in (tmp_path / "saved.py").read_text()


@pytest.mark.parametrize("case", cases("latency"))
def test_latency(neovim: Path, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case)


@pytest.mark.usefixtures("neovim")
def test_lua_is_clean() -> None:
    done = subprocess.run([PLUGIN / "check.sh"], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
