"""Helix with what docs/editors.md says to put into its configuration, in a real terminal."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.editors.documented import block, replaced
from tests.editors.installed import install
from tests.editors.shop import LIMIT_SECONDS, Way
from tests.editors.terminal import Terminal

pytestmark = pytest.mark.real


@pytest.fixture(scope="session")
def helix() -> Path:
    """Helix, installed into the cache when it is not there."""
    return install("install_helix.sh", "helix") / "hx"


async def test_a_day_with_helix(helix: Path, way: Way, terminal: Terminal, tmp_path: Path) -> None:
    program, *arguments = way.command
    settings = replaced(
        block("Helix", "toml"), '"hearth"\nargs = ["lsp"]', f"{json.dumps(program)}\nargs = {arguments}"
    )
    (tmp_path / "helix").mkdir()
    (tmp_path / "helix" / "languages.toml").write_text(settings)
    folders = {name: str(tmp_path) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME")}
    terminal.start([str(helix), "shop/audit.py"], {**folders, "LC_ALL": "C.UTF-8"}, way.folder)
    await terminal.wait_for("def audit")
    # Debian's Helix has no grammars, so that it indents like the line before.
    terminal.type("g", "e", "o", "    total = ")
    async with asyncio.timeout(LIMIT_SECONDS):
        # Helix does not say when the server is ready, and does not ask again by itself.
        while not re.search(r"^ +~ +cart\.total_in_euro\(\)", terminal.screen(), re.MULTILINE):
            terminal.type("C-x")
            await asyncio.sleep(0.5)
    terminal.type("Tab", "Enter")
    await terminal.wait_for(r"total = cart\.total_in_euro\(\)$")
    terminal.type("Escape")
    await terminal.wait_for(" NOR ")
    terminal.type("b", "b", "Space", "k")
    await terminal.wait_for(r"def total_in_euro\(self\) -> Money")
    terminal.type("Escape")
    await terminal.wait_until_gone("def total_in_euro")
    await explanation_is_shown_and_leads_to_its_sources(terminal)
    terminal.type(":", f"write! {tmp_path}/saved.py", "Enter")
    await terminal.wait_for("written")
    assert (tmp_path / "saved.py").read_text().endswith("        total = cart.total_in_euro()\n")


async def explanation_is_shown_and_leads_to_its_sources(terminal: Terminal) -> None:
    terminal.type("Space", "a")
    await terminal.wait_for(r"Explain this code \(Hearth\)")
    terminal.type("Enter")
    await terminal.wait_for(r"explanation-1\.md")
    await terminal.wait_for(r"`Cart\.total_in_euro` \(method\) from `shop/cart\.py`")
    terminal.type("/", r"cart.py:", "Enter", "h")
    terminal.type("g", "f")
    await terminal.wait_for(r"What a customer wants to buy")
    await terminal.wait_for(r"^ NOR +shop/cart\.py ")
    terminal.type(":", "open shop/audit.py", "Enter")
    await terminal.wait_for(r"total = cart\.total_in_euro\(\)$")
