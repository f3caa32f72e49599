"""Emacs with what docs/editors.md says to put into its configuration, in a real terminal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.editors.documented import block, replaced
from tests.editors.installed import install
from tests.editors.shop import Way
from tests.editors.terminal import Terminal

pytestmark = pytest.mark.real

# Emacs writes nothing beside what it edits and compiles nothing while it is tested.
QUIET = "(setq native-comp-jit-compilation nil make-backup-files nil auto-save-default nil create-lockfiles nil)\n"


@pytest.fixture(scope="session")
def emacs() -> Path:
    """Emacs, installed into the cache when it is not there."""
    return install("install_emacs.sh", "emacs") / "emacs"


async def test_a_day_with_emacs(emacs: Path, way: Way, terminal: Terminal, tmp_path: Path) -> None:
    command = " ".join(json.dumps(word) for word in way.command)
    (tmp_path / "hearth.el").write_text(replaced(block("Emacs", "elisp"), '"hearth" "lsp"', command))
    (tmp_path / "init.el").write_text(f'{QUIET}(load "{tmp_path}/hearth")\n')
    terminal.start(
        [str(emacs), "-nw", "-Q", "-l", str(tmp_path / "init.el"), "shop/audit.py"],
        {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "TERM": "screen-256color"},
        way.folder,
        lines=30,
    )
    await terminal.wait_for(r"\[eglot:")
    terminal.type("M->", "        total = ")
    await terminal.wait_for_ghost(" = ", "cart.total_in_euro()")

    # What is typed along it stays; what is hidden comes back with the next key, and TAB takes it.
    terminal.type("ca")
    await terminal.wait_for_ghost(" = ca", "rt.total_in_euro()")
    terminal.type("C-g")
    await terminal.wait_for(r"total = ca$")
    terminal.type("r")
    await terminal.wait_for_ghost(" = car", "t.total_in_euro()")
    terminal.type("Tab")
    taken = await saved(terminal, tmp_path / "taken.py")
    assert taken.endswith("    for cart in carts:\n        total = cart.total_in_euro()")

    terminal.type("C-b", "C-b", "C-b")
    await terminal.wait_for(r"def total_in_euro\(self\) -> Money")

    # The same suggestion as a completion, when grey text is not wanted.
    terminal.type("M-x", "hearth-mode", "Enter")
    await terminal.wait_for("Hearth mode disabled")
    terminal.type("M->", "C-a", "C-k")
    await terminal.wait_until_gone("total")
    terminal.type("        total = ")
    terminal.type("C-M-i")
    # Emacs may move over blanks with a tab.
    await terminal.wait_for(r"total =\s+cart\.total_in_euro\(\)$")
    assert await saved(terminal, tmp_path / "completed.py") == taken

    await explanation_is_shown_and_leads_to_its_sources(terminal)


async def explanation_is_shown_and_leads_to_its_sources(terminal: Terminal) -> None:
    terminal.type("M-x", "eglot-code-actions", "Enter")
    await terminal.wait_for(r"Pick an action.*Explain this code \(Hearth\)")
    terminal.type("Enter")
    await terminal.wait_for(r"inside the function .audit. \[1\]")
    terminal.type("C-x", "o")
    await terminal.wait_for(r"^-.*\*Hearth\*")
    terminal.type("C-s", "cart.py:", "Enter", "Enter")
    await terminal.wait_for(r"^-.* cart\.py .* L\d+")
    await terminal.wait_for(r"What a customer wants to buy")


async def saved(terminal: Terminal, path: Path) -> str:
    """Write the buffer to a file of the test, and return what is in it."""
    written = f'(progn (write-region nil nil "{path}" nil 0) (message "saved %s" "{path.stem}"))'
    terminal.type("M-:", written, "Enter")
    await terminal.wait_for(f"^.?saved {path.stem}")
    return await asyncio.to_thread(path.read_text)
