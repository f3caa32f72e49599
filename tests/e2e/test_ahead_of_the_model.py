"""What a user sees before the model has said anything, and what is begun before the user asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from lsprotocol import types

from tests.e2e.editor import Answer, open_editor_here
from tests.e2e.model_server import MODEL, running_model_server
from tests.e2e.test_typing_along import Writer, outcome, why
from tests.patience import WAIT_SECONDS, patient_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

KNOWN = "".join(f"area_{name} = compute_area(width, height)\n" for name in "abcdefgh")


@pytest_asyncio.fixture(loop_scope="module")
async def writer(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Writer]:
    """A user of a server whose model has not answered anybody yet, and who asks in time, however long that takes."""
    monkeypatch.setattr("server.completion.running.TYPING_GRACE_SECONDS", WAIT_SECONDS)
    async with running_model_server() as model:
        settings = (
            f"{patient_model(model.url)}"
            "[completion]\ndeadline_ms = 600000\ndebounce_ms = 5000\nadaptive_debounce = false\n"
            "alternatives = 0\nstand_in = 0.5\n"
        )
        async with open_editor_here(None, tmp_path / "data", settings) as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model == MODEL)
            yield Writer(editor, model, request.node.name)


async def stood_in(writer: Writer) -> Answer:
    """Ask at a place that the document itself answers, and wait until it has."""
    writer.open(f"{KNOWN}area_i = comp\n", 8, 13)
    answer = writer.ask()
    await writer.editor.wait_for(lambda: answer.texts() == ["ute_area(width, height)"])
    assert writers(answer) == ["embedded"]
    return answer


def writers(answer: Answer) -> list[str]:
    """Return the engine of each part."""
    return [part["items"][0]["command"]["arguments"][1] for part in answer.parts]


async def test_the_embedded_engine_stands_in_and_the_model_goes_on(writer: Writer) -> None:
    answer = await stood_in(writer)
    (await writer.model.next_call()).write("ute_area(", "width, height)", " * 2", None)
    assert await outcome(answer) == "ute_area(width, height) * 2"
    assert answer.texts()[0] == "ute_area(width, height)"
    assert writers(answer)[1:]
    assert set(writers(answer)[1:]) == {"vllm"}
    assert (await why(writer, answer))["engine"] == "vllm"


async def test_the_models_other_text_replaces_it_in_one_step(writer: Writer) -> None:
    answer = await stood_in(writer)
    (await writer.model.next_call()).write("are(a, b)", None)
    assert await outcome(answer) == "are(a, b)"
    assert "" not in answer.texts()
    assert dict(zip(answer.texts(), writers(answer), strict=True)) == {
        "ute_area(width, height)": "embedded",
        "are(a, b)": "vllm",
    }


async def test_taking_a_suggestion_asks_for_the_next_one_before_the_editor_does(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    (await writer.model.next_call()).write("width", None)
    assert await outcome(first) == "width"
    command = (await first.result).items[0].command
    writer.editor.insert(writer.uri, 0, 7, "width")
    writer.column += 5
    await writer.editor.request(
        types.WORKSPACE_EXECUTE_COMMAND, {"command": command.command, "arguments": command.arguments}
    )
    call = await writer.model.next_call()
    assert "area = width" in call.prompt
    second = writer.ask(automatic=True)
    call.write(" * ")
    await writer.editor.wait_for(lambda: second.parts)
    call.write("height", None)
    assert await outcome(second) == " * height"
    reason = await why(writer, second)
    assert reason["reuse"] == "recycled"
    assert "debounce" not in reason["stages"], "the editor's request makes no pause any more"
    assert writer.model.calls.empty()


async def test_a_models_suggestion_is_there_again_after_going_back(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    (await writer.model.next_call()).write("width * height", None)
    assert await outcome(first) == "width * height"
    assert await outcome(writer.type("width", automatic=True)) == " * height"
    wrong = writer.type("s")
    (await writer.model.next_call()).write("um", None)
    assert await outcome(wrong) == "um"
    again = writer.erase(1)
    assert await outcome(again) == " * height"
    assert (await why(writer, again))["reuse"] == "cached"
    assert await outcome(writer.erase(5)) == "width * height"
    assert writer.model.calls.empty()
