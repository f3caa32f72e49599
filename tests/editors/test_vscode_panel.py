"""The explanation panel in real VS Code as one uses it: every way to it, by keyboard alone, and in both schemes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.model_server import Call, ModelServer, running_model_server
from tests.editors.vscode_shop import make_shop
from tests.editors.vscode_workbench import Workbench, install, workbench
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.gateway import chromium_pages

pytestmark = pytest.mark.real

SAID = """It **says** what is in `every` cart [1].

```python
for cart in carts:  # all of them
    lines.append(f"{cart.owner}" + 'x' * 12)
```

And of [2] more."""

_BACKWARDS = (
    "#sources li:nth-child(2) a",
    "#sources li:nth-child(1) a",
    "#text a[data-number='2']",
    "#text a[data-number='1']",
    "#copy",
)
"""What keys lead to from the question, one after the other."""


async def test_explanations_are_asked_for_read_and_left(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    config = tmp_path / "hearth.toml"
    async with running_model_server() as model:
        config.write_text(f"{patient_model(model.url)}{PATIENT}")
        opened = workbench(
            install(), tmp_path, shop.repository.path, "shop/report.py", shop.settings(config), dark=False
        )
        async with opened as bench:
            await bench.wait_for_status("Hearth: model")
            await the_key_explains_and_escape_stops_the_engine(bench, model)
            await an_answer_that_breaks_off_says_why(bench, model)
            await a_question_is_asked_by_keyboard(bench, model)
            await keys_lead_through_the_panel_and_back(bench)
            await the_stop_button_stops_the_engine(bench, model)
            await the_light_bulb_and_the_menu_of_a_line_explain(bench, model)
            await what_is_excluded_is_not_explained(bench, model)


async def next_chat(model: ModelServer) -> Call:
    async with asyncio.timeout(WAIT_SECONDS):
        return await model.chats.get()


async def is_accessible(bench: Workbench) -> None:
    _, pages = await asyncio.to_thread(chromium_pages.install)
    assert await bench.call("accessibilityOfPanel", str(pages / "node_modules" / "axe-core" / "axe.min.js")) == []


async def the_key_explains_and_escape_stops_the_engine(bench: Workbench, model: ModelServer) -> None:
    await bench.press("Control+Home", *["ArrowDown"] * 6, "Control+Alt+e")
    chat = await next_chat(model)
    await bench.call("waitForPanel", "#title", "report.py:7")
    # Nothing has come yet: there is nothing to copy, and it can be stopped.
    await bench.call("waitForPanel", "#copy:disabled", "Copy")
    await bench.call("enterPanel")
    await bench.press("Tab")
    await bench.call("waitForPanelFocus", "#stop")
    chat.write(SAID)
    await bench.call("waitForPanel", "#text", "And of")
    await is_accessible(bench)
    await bench.screenshot("panel-growing-light")
    await bench.press("Escape")
    async with asyncio.timeout(WAIT_SECONDS):
        await chat.closed.wait()
    await bench.call("waitForPanel", "#note", "Stopped.")
    # The button is gone, and the focus with it to where one goes on.
    await bench.call("waitForPanelFocus", "#question")


async def an_answer_that_breaks_off_says_why(bench: Workbench, model: ModelServer) -> None:
    await bench.type("Which ones?")
    await bench.press("Enter")
    chat = await next_chat(model)
    chat.write("Those of [1]:\n\n```python\nfor cart")
    await bench.call("waitForPanel", "#text", "for cart")
    chat.break_off()
    await bench.call("waitForPanel", "#note", "The explanation ended early. The model server at http")
    await bench.call("waitForPanel", "#sources li:nth-child(1)", "shop/")
    await is_accessible(bench)
    await bench.screenshot("panel-ended-early-light")


async def a_question_is_asked_by_keyboard(bench: Workbench, model: ModelServer) -> None:
    await bench.type("Why every one?")
    await bench.press("Enter")
    chat = await next_chat(model)
    assert chat.prompt.endswith("Question: Why every one?")
    chat.write(SAID, None)
    await bench.call("waitForPanel", "#sources li:nth-child(2)", "shop/cart.ts")
    assert await bench.call("panel", "#asked") == "Why every one?"
    assert await bench.call("panel", "#note") == ""
    assert await bench.call("panel", ".keyword >> nth=0") == "for"
    assert await bench.call("panel", ".comment") == "# all of them"


async def keys_lead_through_the_panel_and_back(bench: Workbench) -> None:
    await is_accessible(bench)
    await bench.screenshot("panel-light")
    for selector in _BACKWARDS:
        await bench.press("Shift+Tab")
        await bench.call("waitForPanelFocus", selector)
    await bench.press("Enter")
    await bench.call("waitForClipboard", SAID)
    await bench.press("Tab", "Tab")
    await bench.call("waitForPanelFocus", "#text a[data-number='2']")
    await bench.press("Enter")
    await bench.call("waitForTab", "cart.ts")
    await bench.call("waitForCursor", "Ln 3, Col 1")
    await bench.call("waitForFocus")
    await bench.call("enterPanel")
    await bench.press("Escape")
    await bench.call("waitForFocus")
    await bench.call("command", "Preferences: Toggle between Light/Dark Themes")
    await bench.call("waitForPanel", "body.vscode-dark", "")
    await is_accessible(bench)
    await bench.screenshot("panel-dark")


async def the_stop_button_stops_the_engine(bench: Workbench, model: ModelServer) -> None:
    await bench.call("command", "Hearth: Explain")
    chat = await next_chat(model)
    chat.write("A cart has ")
    await bench.call("waitForPanel", "#text", "A cart has")
    await bench.call("clickPanel", "#stop")
    async with asyncio.timeout(WAIT_SECONDS):
        await chat.closed.wait()
    await bench.call("waitForPanel", "#note", "Stopped.")
    assert await bench.call("panel", "#text") == "A cart has"


async def the_light_bulb_and_the_menu_of_a_line_explain(bench: Workbench, model: ModelServer) -> None:
    await bench.show("report.py", 10, 9)
    await bench.press("Shift+End")
    await bench.call("openCodeActions", "Explain this code (Hearth)")
    await bench.screenshot("panel-light-bulb-dark")
    await bench.press("Enter")
    chat = await next_chat(model)
    assert "shop/report.py, lines 10-10" in chat.prompt
    chat.write("It adds up.", None)
    await bench.call("waitForPanel", "#text", "It adds up.")
    await bench.call("waitForPanel", "#title", "report.py:10")
    await bench.call("chooseAtLine", "return lines", "Hearth: Explain")
    chat = await next_chat(model)
    chat.write("It returns.", None)
    await bench.call("waitForPanel", "#text", "It returns.")
    await bench.call("waitForPanel", "#title", "report.py:12")


async def what_is_excluded_is_not_explained(bench: Workbench, model: ModelServer) -> None:
    await bench.show(".env")
    await bench.press("Control+Alt+e")
    await bench.call("waitForMessage", "Hearth explains nothing here: this file is excluded.")
    assert await bench.call("panel", "#title") == "shop/report.py:12"
    assert model.chats.empty()
