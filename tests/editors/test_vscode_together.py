"""Ghost text in real VS Code beside what else wants its keys: other suggestions, lists, snippets, input methods."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.model_server import ModelServer, running_model_server
from tests.editors.vscode_shop import asked, make_shop
from tests.editors.vscode_workbench import Workbench, install, workbench
from tests.patience import PATIENT, patient_model

pytestmark = pytest.mark.real

WORDS = {"editor.wordBasedSuggestions": "currentDocument"}
SNIPPET = {
    "key": "ctrl+alt+s",
    "command": "editor.action.insertSnippet",
    "args": {"snippet": "pair(${1:first}, ${2:second})$0"},
}
CURSOR = "<|fim_suffix|>"
"""Where it is in a prompt; the code that a prompt brings along may have the same lines elsewhere."""


async def test_keys_do_what_they_do_without_it(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    config = tmp_path / "hearth.toml"
    async with running_model_server() as model:
        # What comes after a suggestion that was taken is asked for when the user goes on.
        patient = PATIENT.replace("[completion]", "[completion]\nspeculate = false")
        config.write_text(f"{patient_model(model.url)}{patient}")
        async with workbench(
            install(),
            tmp_path,
            shop.repository.path,
            "shop/audit.py",
            shop.settings(config),
            user=WORDS,
            keys=[SNIPPET],
        ) as bench:
            await bench.wait_for_status("Hearth: model")
            await bench.press("Control+End", "Enter")
            await others_are_gone_through(bench, model)
            await a_list_of_words_has_its_keys(bench, model)
            await places_of_a_snippet_are_gone_through(bench, model)
            await an_input_method_composes(bench, model)
            await several_cursors_type(bench, model)


async def suggest(model: ModelServer, before: str, text: str) -> None:
    (await asked(model, f"{before}{CURSOR}")).write(text, None)


async def others_are_gone_through(bench: Workbench, model: ModelServer) -> None:
    await bench.type("amount = ")
    await suggest(model, "        amount = ", "cart.total()")
    await bench.wait_for_ghost("cart.total()")
    await bench.press("Alt+]")
    others = {"cart.sum()", "cart.sum_of(prices)"}
    for text in others:
        await suggest(model, "        amount = ", text)
    first = await bench.wait_for_ghost_among(others)
    await bench.press("Alt+]")
    [second] = others - {first}
    await bench.wait_for_ghost(second)
    await bench.press("Alt+]")
    await bench.wait_for_ghost("cart.total()")
    await bench.press("Alt+[")
    await bench.wait_for_ghost(second)

    # Taking a word leaves all three, and typing what two of them say leaves these.
    await bench.press("Control+ArrowRight")
    await bench.wait_for_line(6, "        amount = cart")
    await bench.type(".s")
    left = {"um()", "um_of(prices)"}
    shown = await bench.wait_for_ghost_among(left)
    await bench.press("Alt+]")
    [other] = left - {shown}
    await bench.wait_for_ghost(other)
    assert model.calls.empty()
    await bench.screenshot("others-dark")
    await bench.press("Tab")
    await bench.wait_for_line(6, f"        amount = cart.s{other}")
    await bench.wait_for_ghost("")


async def a_list_of_words_has_its_keys(bench: Workbench, model: ModelServer) -> None:
    await bench.press("Enter")
    await bench.type("aud")
    await suggest(model, "        aud", "acity = 1")
    await bench.wait_for_ghost("acity = 1")
    await bench.press("Control+Space")
    await bench.call("waitForCompletionList", "audit")
    await bench.press("Tab")
    await bench.call("waitForNoCompletionList")
    await bench.wait_for_line(7, "        audit")


async def places_of_a_snippet_are_gone_through(bench: Workbench, model: ModelServer) -> None:
    await bench.press("Enter", "Control+Alt+s")
    await bench.wait_for_line(8, "        pair(first, second)")
    await bench.type("car")
    await suggest(model, "pair(car", "t.left")
    # VS Code shows nothing grey in the places of a snippet, and so Tab goes on to the next one.
    await bench.press("Tab")
    await bench.type("other")
    await bench.wait_for_line(8, "        pair(car, other)")
    assert await bench.call("ghost") == ""
    await bench.press("Escape", "End")


async def an_input_method_composes(bench: Workbench, model: ModelServer) -> None:
    await bench.press("Enter")
    await bench.type("label = '")
    await suggest(model, "        label = '", "total'")
    await bench.wait_for_ghost("total'")
    for text in ("に", "にほ", "にほん"):
        await bench.call("compose", text)
        await bench.wait_for_line(9, f"        label = '{text}")
    await bench.call("settle", "日本")
    await bench.wait_for_line(9, "        label = '日本")
    await suggest(model, "        label = '日本", "語'")
    await bench.wait_for_ghost("語'")
    await bench.press("Tab")
    await bench.wait_for_line(9, "        label = '日本語'")


async def several_cursors_type(bench: Workbench, model: ModelServer) -> None:
    await bench.press("Enter")
    await bench.type("pass")
    await bench.press("Enter")
    await bench.type("pass")
    await bench.press("Escape", "Shift+Alt+ArrowUp")
    await bench.type("word")
    await bench.wait_for_line(10, "        password")
    await bench.wait_for_line(11, "        password")
    assert await bench.call("ghost") == ""
    while not model.calls.empty():
        call = await model.next_call()
        assert "passw" not in call.prompt, "with several cursors the server is not asked"
        call.write(None)
    await bench.press("Escape")
    await bench.type("s")
    while f"passwords{CURSOR}" not in (call := await model.next_call()).prompt:
        # On a busy machine VS Code asks for its one cursor before the next key comes.
        before = call.prompt.partition(CURSOR)[0]
        assert before.endswith("password") or "passw" not in before, "with several cursors the server is not asked"
        call.write(None)
    call.write(" = 1", None)
    await bench.wait_for_ghost(" = 1")
