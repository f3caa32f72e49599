"""What the Neovim plugin tells the server of suggestions, as it arrives there: what the setting lets it, never text."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.model_server import running_model_server
from tests.editors.heard import listen, messages_up_to, outcomes
from tests.editors.neovim_terminal import Neovim
from tests.editors.shop import AUDIT, Shop, alone
from tests.editors.vscode_shop import asked
from tests.patience import patient_model

pytestmark = pytest.mark.real

CURSOR = "<|fim_suffix|>"
TAKEN, REFUSED = "cart.owner.upper()", "cart.name_of_owner"


@pytest.mark.parametrize("telemetry", [True, False], ids=["on", "off"])
async def test_the_server_learns_what_the_setting_says(
    editor: Neovim, shop: Shop, tmp_path: Path, *, telemetry: bool
) -> None:
    program, file = tmp_path / "hearth", tmp_path / "audit.py"
    heard = listen(program)
    file.write_text(AUDIT)
    async with running_model_server() as model:
        settings = {**alone(shop, tmp_path, patient_model(model.url)).settings, "cmd": [str(program), "lsp"]}
        editor.set_up({**settings, "telemetry": telemetry}, file)
        terminal = editor.terminal
        await terminal.wait_for("Hearth vllm")
        terminal.type("G", "o", "total = ")
        (await asked(model, f"total = {CURSOR}")).write(TAKEN, None)
        await terminal.wait_for_ghost("total = ", TAKEN)
        terminal.type("C-Right")
        await terminal.wait_for_ghost("total = cart", TAKEN.removeprefix("cart"))
        terminal.type("Tab")
        await terminal.wait_for(rf"total = {TAKEN[:-2]}\(\)$")
        terminal.type("Enter", "label = ")
        (await asked(model, f"label = {CURSOR}")).write(REFUSED, None)
        await terminal.wait_for_ghost("label = ", REFUSED)
        if telemetry:
            await messages_up_to(heard, "hearth/didShowCompletion", count=2)
        else:
            # Only what stood long enough to be read can be turned down: it is this time that counts.
            await asyncio.sleep(1.5)
        terminal.type("C-]")
        await terminal.wait_for("label =$")
        editor.command("write")
        said = outcomes(await messages_up_to(heard, "textDocument/didSave"))
    if not telemetry:
        assert said == []
        return
    taken, refused = said[0][1]["id"], said[-1][1]["id"]
    assert said == [
        ("hearth/didShowCompletion", {"id": taken}),
        ("hearth/didPartiallyAcceptCompletion", {"id": taken, "acceptedLength": len("cart")}),
        ("hearth/didAcceptCompletion", {"id": taken}),
        ("hearth/didShowCompletion", {"id": refused}),
        ("hearth/didRejectCompletion", {"id": refused}),
    ]
    assert not any("cart" in name or " " in name for name in (taken, refused))
