"""Turning suggestions off in real VS Code, and on again: for all, a language, a file; and what is never looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.model_server import ModelServer, running_model_server
from tests.editors.vscode_shop import asked, make_shop
from tests.editors.vscode_workbench import Workbench, install, workbench
from tests.patience import PATIENT, patient_model

pytestmark = pytest.mark.real

CURSOR = "<|fim_suffix|>"


async def test_suggestions_are_off_where_they_are_turned_off(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    workspace = workspace_of(tmp_path, shop.repository.path)
    config = tmp_path / "hearth.toml"
    async with running_model_server() as model:
        patient = PATIENT.replace("[completion]", "[completion]\nspeculate = false")
        config.write_text(f"{patient_model(model.url)}{patient}")
        opened = workbench(install(), tmp_path, workspace, "shop/shop/audit.py", shop.settings(config))
        async with opened as bench:
            await bench.wait_for_status("Hearth: model")
            await bench.press("Control+End", "Enter")
            await bench.type("a")
            await every_row_of_the_menu_has_its_icon(bench)
            for what, says in (
                ("Turn suggestions {}", "suggestions are off"),
                ("Turn suggestions {} for python", "off for python"),
                ("Turn suggestions {} for this file", "off for this file"),
            ):
                await suggest(bench, model)
                await turn(bench, what.format("off"), f"Hearth: {says}$")
                # What stood there is gone, too.
                await bench.wait_for_ghost("")
                await bench.screenshot(f"{says.replace(' ', '-')}-dark")
                await turn(bench, what.format("on"), "Hearth: model$")
            await suggest(bench, model)
            await settings_of_a_folder_count_in_it_and_are_turned_there(bench, shop.repository.path)
            await suggest(bench, model)
            await nothing_of_an_excluded_file_is_sent(bench, model, shop.repository.path)


def workspace_of(directory: Path, shop: Path) -> Path:
    """Put a second folder beside the shop, and make a workspace of both."""
    (directory / "billing").mkdir()
    (directory / "billing" / "bill.py").write_text("def bill(): ...\n")
    workspace = directory / "company.code-workspace"
    workspace.write_text(json.dumps({"folders": [{"path": shop.name}, {"path": "billing"}]}))
    return workspace


async def suggest(bench: Workbench, model: ModelServer) -> None:
    """Type one more letter, for which the model is asked, and see its text."""
    await bench.call("focus")
    await bench.press("Control+End")
    await bench.type("b")
    (await asked(model, f"b{CURSOR}")).write(" = 1", None)
    await bench.wait_for_ghost(" = 1")


async def turn(bench: Workbench, row: str, status: str) -> None:
    await bench.call("command", "Hearth: Show the menu")
    await bench.call("waitForRow", "Restart the server")
    await bench.call("pickRow", row)
    await bench.wait_for_status(status)


async def every_row_of_the_menu_has_its_icon(bench: Workbench) -> None:
    await bench.call("command", "Hearth: Show the menu")
    await bench.call("waitForRow", "Restart the server")
    rows = await bench.call("rows")
    assert len(rows) == 9, rows
    assert [row["text"] for row in rows if row["icons"] != 1] == []
    await bench.screenshot("menu-dark")
    await bench.press("Escape")


async def settings_of_a_folder_count_in_it_and_are_turned_there(bench: Workbench, folder: Path) -> None:
    """They win over the user's, so that writing these would turn nothing; another folder has its own."""
    settings = folder / ".vscode" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"hearth.enabled": False, "hearth.languages": {"python": False, "go": False}}))
    await bench.wait_for_status("Hearth: suggestions are off$")
    await bench.show("bill.py")
    await bench.wait_for_status("Hearth: model$")
    await bench.show("audit.py")
    await bench.wait_for_status("Hearth: suggestions are off$")
    await turn(bench, "Turn suggestions on", "Hearth: off for python$")
    await turn(bench, "Turn suggestions on for python", "Hearth: model$")
    written = json.loads(settings.read_text())
    assert written == {"hearth.enabled": True, "hearth.languages": {"python": True, "go": False}}


async def nothing_of_an_excluded_file_is_sent(bench: Workbench, model: ModelServer, folder: Path) -> None:
    (folder / ".vscode" / "settings.json").write_text(json.dumps({"hearth.exclude": ["**/*.env", "shop/audit.*"]}))
    await bench.wait_for_status("Hearth: this file is excluded$")
    await bench.wait_for_ghost("")
    await bench.call("command", "Hearth: Show the menu")
    await bench.call("waitForRow", "Say which files are excluded")
    await bench.screenshot("menu-excluded-dark")
    await bench.press("Escape")
    await bench.call("focus")
    await bench.press("Control+End")
    await bench.type("excluded")
    # The defaults exclude .env, wherever it is, and no longer this file.
    (folder / ".vscode" / "settings.json").write_text("{}")
    await bench.wait_for_status("Hearth: model$")
    await bench.show(".env")
    await bench.wait_for_status("Hearth: this file is excluded$")
    await bench.press("Control+End")
    await bench.type("hunter2")
    await bench.show("audit.py")
    await bench.wait_for_status("Hearth: model$")
    while not model.calls.empty():
        call = await model.next_call()
        assert "excluded" not in call.prompt
        call.write(None)
    await bench.press("Control+End")
    await bench.type(" b")
    call = await asked(model, f" b{CURSOR}")
    assert "hunter2" not in call.prompt
    call.write(" = 1", None)
    await bench.wait_for_ghost(" = 1")
