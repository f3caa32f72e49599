"""What the real VS Code tells the server of suggestions, as it arrives there: what the setting lets it, never text."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.model_server import running_model_server
from tests.editors.heard import listen, messages_up_to, outcomes
from tests.editors.vscode_shop import asked, make_shop
from tests.editors.vscode_workbench import install, workbench
from tests.patience import PATIENT, patient_model

pytestmark = pytest.mark.real

CURSOR = "<|fim_suffix|>"
TAKEN, REFUSED = "cart.owner.upper()", "cart.name_of_owner"
OUTCOMES = {
    "hearth/didShowCompletion",
    "hearth/didPartiallyAcceptCompletion",
    "hearth/didRejectCompletion",
    "hearth.accepted",
}


@pytest.mark.parametrize("telemetry", [True, False], ids=["on", "off"])
async def test_the_server_learns_what_the_setting_says(tmp_path: Path, telemetry: bool) -> None:
    shop = make_shop(tmp_path)
    heard = listen(shop.program)
    config = tmp_path / "hearth.toml"
    user = {"hearth.telemetry": telemetry}
    async with running_model_server() as model:
        patient = PATIENT.replace("[completion]", "[completion]\nspeculate = false")
        config.write_text(f"{patient_model(model.url)}{patient}")
        opened = workbench(install(), tmp_path, shop.repository.path, "shop/audit.py", shop.settings(config), user=user)
        async with opened as bench:
            await bench.wait_for_status("Hearth: model")
            await bench.press("Control+End", "Enter")
            await bench.type("total = ")
            (await asked(model, f"total = {CURSOR}")).write(TAKEN, None)
            await bench.wait_for_ghost(TAKEN)
            await bench.press("Control+ArrowRight")
            await bench.wait_for_line(6, "        total = cart")
            await bench.wait_for_ghost(TAKEN.removeprefix("cart"))
            await bench.press("Tab")
            await bench.wait_for_line(6, f"        total = {TAKEN}")
            await bench.press("Enter")
            await bench.type("label = ")
            (await asked(model, f"label = {CURSOR}")).write(REFUSED, None)
            await bench.wait_for_ghost(REFUSED)
            # Only what stood long enough to be read can be turned down: it is this time that counts.
            await asyncio.sleep(1.5)
            await bench.press("Escape")
            await bench.wait_for_ghost("")
            await bench.save("shop/audit.py")
            said = outcomes(await messages_up_to(heard, "textDocument/didSave"))
    if not telemetry:
        assert said == []
        return
    assert {name for name, _ in said} == OUTCOMES
    for name, values in said:
        assert set(values) <= {"id", "latency", "acceptedLength"}, (name, values)
        assert " " not in values["id"]
        assert "cart" not in values["id"]
        assert all(isinstance(value, int) for key, value in values.items() if key != "id"), (name, values)
    assert [values["acceptedLength"] for name, values in said if "acceptedLength" in values] == [len("cart")]
