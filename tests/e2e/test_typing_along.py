"""A user who types what the suggestion says: one request to the model, and an answer to every key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from server.completion.running import TYPING_GRACE_SECONDS
from tests.e2e.editor import Answer, Editor, open_editor_here, plain
from tests.e2e.model_server import MODEL, ModelServer, running_model_server
from tests.patience import WAIT_SECONDS, patient_model
from tests.server.counting import total

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Writer:
    """A user with one document, whose cursor is where they last typed."""

    def __init__(self, editor: Editor, model: ModelServer, name: str) -> None:
        self.editor = editor
        self.model = model
        self.uri = f"untitled:{name}"
        self.line = 0
        self.column = 0

    def open(self, text: str, line: int, column: int) -> None:
        self.editor.open(self.uri, text)
        self.line, self.column = line, column

    def type(self, text: str, *, automatic: bool = False) -> Answer:
        """Type some characters of a line, and ask."""
        self.editor.insert(self.uri, self.line, self.column, text)
        self.column += len(text)
        return self.ask(automatic=automatic)

    def erase(self, count: int) -> Answer:
        """Go back some characters, and ask."""
        self.editor.replace(self.uri, (self.line, self.column - count), (self.line, self.column), "")
        self.column -= count
        return self.ask()

    def ask(self, *, automatic: bool = False) -> Answer:
        return self.editor.complete(self.uri, self.line, self.column, automatic=automatic)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Editor, ModelServer]]:
    folder: Path = tmp_path_factory.mktemp("typing")
    with pytest.MonkeyPatch.context() as patched:
        # However slowly the keys come, each is reported in time.
        patched.setattr("server.completion.running.TYPING_GRACE_SECONDS", WAIT_SECONDS)
        async with keyboard(folder) as room:
            yield room


@asynccontextmanager
async def keyboard(folder: Path) -> AsyncIterator[tuple[Editor, ModelServer]]:
    async with running_model_server() as model:
        settings = (
            f"{patient_model(model.url)}"
            ""
            "[completion]\ndeadline_ms = 600000\ndebounce_ms = 5000\nadaptive_debounce = false\nalternatives = 0\n"
        )
        async with open_editor_here(None, folder / "data", settings) as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model == MODEL)
            yield editor, model


@pytest.fixture
def writer(room: tuple[Editor, ModelServer], request: pytest.FixtureRequest) -> Writer:
    editor, model = room
    return Writer(editor, model, request.node.name)


async def outcome(answer: Answer) -> str:
    """Return the text of the final answer; one that was superseded has none."""
    async with asyncio.timeout(WAIT_SECONDS):
        try:
            result = await answer.result
        except JsonRpcException as error:
            if error.code != types.LSPErrorCodes.RequestCancelled:
                raise
            return ""
    return str(result.items[0].insert_text) if result.items else ""


async def test_keys_that_the_suggestion_says_next_leave_the_models_request_alone(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    call = await writer.model.next_call()
    call.write("width ", "* hei")
    await writer.editor.wait_for(lambda: first.texts()[-1:] == ["width * hei"])
    second = writer.type("w")
    await writer.editor.wait_for(lambda: second.texts()[-1:] == ["idth * hei"])
    third = writer.type("id")
    await writer.editor.wait_for(lambda: third.texts()[-1:] == ["th * hei"])
    call.write("ght", None)
    assert [await outcome(answer) for answer in (first, second, third)] == ["", "", "th * height"]
    assert not call.closed.is_set()
    assert writer.model.calls.empty()


async def test_a_key_before_the_first_token_waits_for_what_the_model_says(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    writer.ask()
    call = await writer.model.next_call()
    second = writer.type("w")
    call.write("width", None)
    assert await outcome(second) == "idth"
    assert writer.model.calls.empty()


async def test_a_key_before_the_first_token_that_it_does_not_say_asks_again(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    writer.ask()
    call = await writer.model.next_call()
    second = writer.type("h")
    call.write("width")
    again = await writer.model.next_call()
    assert "area = h" in again.prompt
    again.write("eight", None)
    assert await outcome(second) == "eight"
    async with asyncio.timeout(WAIT_SECONDS):
        await call.closed.wait()


async def test_another_key_closes_the_models_request(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    call = await writer.model.next_call()
    call.write("width")
    await writer.editor.wait_for(lambda: first.parts)
    second = writer.type("x")
    async with asyncio.timeout(WAIT_SECONDS):
        await call.closed.wait()
    (await writer.model.next_call()).write(" + y", None)
    assert await outcome(second) == " + y"


async def test_a_key_that_fits_is_waited_for_only_a_moment(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.completion.running.TYPING_GRACE_SECONDS", TYPING_GRACE_SECONDS)
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    call = await writer.model.next_call()
    call.write("width")
    await writer.editor.wait_for(lambda: first.parts)
    writer.editor.insert(writer.uri, 0, 7, "w")
    async with asyncio.timeout(WAIT_SECONDS):
        await call.closed.wait()


async def test_cancelling_before_the_key_is_reported_still_goes_on(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.completion.running.CANCEL_GRACE_SECONDS", WAIT_SECONDS)
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    call = await writer.model.next_call()
    call.write("width")
    await writer.editor.wait_for(lambda: first.parts)
    writer.editor.cancel(first)
    second = writer.type("w")
    call.write(" + 1", None)
    assert await outcome(second) == "idth + 1"
    assert writer.model.calls.empty()


async def test_going_back_to_where_it_began_still_fits(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    call = await writer.model.next_call()
    call.write("width")
    await writer.editor.wait_for(lambda: first.parts)
    writer.type("wi")
    third = writer.erase(2)
    call.write(" + 1", None)
    assert await outcome(third) == "width + 1"
    assert writer.model.calls.empty()


async def test_going_back_further_asks_again(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    call = await writer.model.next_call()
    call.write("width")
    await writer.editor.wait_for(lambda: first.parts)
    second = writer.erase(2)
    (await writer.model.next_call()).write(" = 4", None)
    assert await outcome(second) == " = 4"
    assert call.closed.is_set()


async def test_a_bracket_that_the_editor_closed_is_not_repeated(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    call = await writer.model.next_call()
    call.write("compute(width, ")
    await writer.editor.wait_for(lambda: first.parts)
    writer.type("compute")
    writer.editor.insert(writer.uri, 0, 14, "()")
    writer.column = 15
    last = writer.ask()
    call.write("height)", None)
    assert await outcome(last) == "width, height"
    assert writer.model.calls.empty()


async def test_a_finished_suggestion_is_typed_along_and_back_without_the_model(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    first = writer.ask()
    (await writer.model.next_call()).write("width * height", None)
    assert await outcome(first) == "width * height"
    assert await outcome(writer.type("w")) == "idth * height"
    assert await outcome(writer.type("idth * ")) == "height"
    assert await outcome(writer.erase(4)) == "h * height"
    assert await outcome(writer.erase(4)) == "width * height"
    assert writer.model.calls.empty()
    other = writer.type("x")
    (await writer.model.next_call()).write(" + 1", None)
    assert await outcome(other) == " + 1"


async def test_several_lines_are_typed_along_line_by_line(writer: Writer) -> None:
    writer.open("def area(width, height):\r\n    \r\nprint(1)\r\n", 1, 4)
    first = writer.ask()
    (await writer.model.next_call()).write("size = width\n    size *= height\n    return size\n", None)
    whole = "size = width\r\n    size *= height\r\n    return size"
    assert await outcome(first) == whole
    assert await outcome(writer.type("size = ")) == whole.removeprefix("size = ")
    writer.editor.insert(writer.uri, 1, 11, "width\r\n    ")
    writer.line, writer.column = 2, 4
    assert await outcome(writer.ask()) == "size *= height\r\n    return size"
    assert writer.model.calls.empty()


async def test_what_is_there_already_is_not_waited_for(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    writer.ask()
    call = await writer.model.next_call()
    second = writer.type("w", automatic=True)
    call.write("width * 2")
    await writer.editor.wait_for(lambda: second.texts()[-1:] == ["idth * 2"])
    call.write("", None)
    assert await outcome(second) == "idth * 2"
    third = writer.type("idth", automatic=True)
    assert await outcome(third) == " * 2"
    assert writer.model.calls.empty()
    assert "debounce" not in (await why(writer, second))["stages"] | (await why(writer, third))["stages"]


async def test_what_was_taken_is_counted_in_the_editors_units(writer: Writer) -> None:
    writer.open('sign = "\n', 0, 8)
    first = writer.ask()
    (await writer.model.next_call()).write("😀😀é and more", None)
    assert await outcome(first) == "😀😀é and more"
    identifier = (await first.result).items[0].command.arguments[0]
    before = taken_characters()
    for length in (1, 4, 5):
        writer.editor.client.protocol.notify(
            "hearth/didPartiallyAcceptCompletion", {"id": identifier, "acceptedLength": length}
        )
        await writer.editor.request("hearth/status", {})
        # Half of an emoji is none, two of them are four units.
        assert taken_characters() - before == {1: 0, 4: 2, 5: 3}[length]


async def test_what_was_taken_of_a_selected_completion_counts_from_its_end(writer: Writer) -> None:
    writer.open("x = wi\n", 0, 6)
    selected = {"range": {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 6}}, "text": "width"}
    answer = writer.editor.complete(writer.uri, 0, 6, selectedCompletionInfo=selected)
    (await writer.model.next_call()).write(" * 2", None)
    assert await outcome(answer) == "width * 2"
    identifier = (await answer.result).items[0].command.arguments[0]
    before = taken_characters()
    for length, taken in ((5, 0), (7, 2)):
        writer.editor.client.protocol.notify(
            "hearth/didPartiallyAcceptCompletion", {"id": identifier, "acceptedLength": length}
        )
        await writer.editor.request("hearth/status", {})
        assert taken_characters() - before == taken


def taken_characters() -> float:
    return total("hearth_suggestions_accepted_characters_total", engine="vllm")


@pytest.mark.parametrize(("said", "counted"), [([84, 84], 0.084), (["soon"], 0.0), ([-1], 0.0), ([1e12], 0.0)])
async def test_how_long_the_editor_waited_is_counted_once(writer: Writer, said: list[Any], counted: float) -> None:
    writer.open("size = \n", 0, 7)
    answer = writer.ask()
    (await writer.model.next_call()).write("width", None)
    assert await outcome(answer) == "width"
    identifier = (await answer.result).items[0].command.arguments[0]
    before = waited()
    for latency in said:
        parameters = {"id": identifier, "latency": latency}
        writer.editor.client.protocol.notify("hearth/didShowCompletion", parameters)
    await writer.editor.request("hearth/status", {})
    assert waited() - before == pytest.approx(counted)


def waited() -> float:
    return total("hearth_suggestions_latency_seconds_sum", engine="vllm")


async def test_a_change_elsewhere_in_the_document_makes_it_unfit(writer: Writer) -> None:
    writer.open("import os\narea = \n", 1, 7)
    first = writer.ask()
    (await writer.model.next_call()).write("width", None)
    assert await outcome(first) == "width"
    writer.editor.insert(writer.uri, 0, 9, ", re")
    second = writer.type("w")
    (await writer.model.next_call()).write("eight", None)
    assert await outcome(second) == "eight"


async def test_why_says_that_a_suggestion_was_recycled_or_kept(writer: Writer) -> None:
    writer.open("area = \n", 0, 7)
    writer.ask()
    call = await writer.model.next_call()
    call.write("width")
    second = writer.type("w")
    await writer.editor.wait_for(lambda: second.parts)
    call.write(" + 1", None)
    recycled = await why(writer, second)
    assert (recycled["engine"], recycled["model"], recycled["reuse"]) == ("vllm", MODEL, "recycled")
    kept = await why(writer, writer.type("i"))
    assert (kept["engine"], kept["model"], kept["reuse"]) == ("vllm", MODEL, "cached")


async def why(writer: Writer, answer: Answer) -> Any:
    async with asyncio.timeout(WAIT_SECONDS):
        result = await answer.result
    return plain(await writer.editor.request("hearth/why", {"id": result.items[0].command.arguments[0]}))
