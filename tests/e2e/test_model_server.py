"""The language server with a model server at its side: streaming, cancelling, superseding, falling and coming back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from tests.e2e.editor import PROFILES, Answer, Editor, open_editor
from tests.e2e.model_server import MODEL, ModelServer, running_model_server
from tests.patience import WAIT_SECONDS, patient_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

URI = "untitled:Untitled-1"
TEXT = "def area(width, height):\n    return \n"


class Desk:
    def __init__(self, editor: Editor, model: ModelServer) -> None:
        self.editor = editor
        self.model = model
        self._documents = 0

    def document(self, text: str = TEXT) -> str:
        """Open a document of its own for each test."""
        self._documents += 1
        uri = f"untitled:Untitled-{self._documents}"
        self.editor.open(uri, text)
        return uri


@pytest_asyncio.fixture(params=list(PROFILES), loop_scope="module", scope="module")
async def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp(f"model-{request.param}")
    async with running_model_server() as model:
        config = folder / "hearth.toml"
        config.write_text(
            "[engine]\nfailures = 1\nretry_seconds = 0.2\nretry_max_seconds = 0.2\n"
            f"{patient_model(model.url)}"
            ""
            "[completion]\ndeadline_ms = 600000\ndebounce_ms = 1000\nadaptive_debounce = false\nalternatives = 0\n"
        )
        async with open_editor(
            None, folder / "data", "--config", str(config), capabilities=PROFILES[request.param]()
        ) as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model == MODEL)
            yield Desk(editor, model)


async def outcome(answer: Answer) -> list[str]:
    """Return the texts of the final answer; an error that says cancelled is an empty one."""
    async with asyncio.timeout(WAIT_SECONDS):
        try:
            result = await answer.result
        except JsonRpcException as error:
            if error.code != types.LSPErrorCodes.RequestCancelled:
                raise
            return []
    return [item.insert_text for item in result.items]


async def test_each_token_is_shown_while_the_model_still_writes(desk: Desk) -> None:
    answer = desk.editor.complete(desk.document(), 1, 11)
    call = await desk.model.next_call()
    assert "def area(width, height):" in call.prompt
    call.write("width ")
    await desk.editor.wait_for(lambda: answer.texts() == ["width"])
    call.write("* hei")
    await desk.editor.wait_for(lambda: answer.texts()[-1:] == ["width * hei"])
    assert not answer.result.done()
    call.write("ght", None)
    assert await outcome(answer) == ["width * height"]
    assert answer.texts()[-1] == "width * height"


async def test_a_flood_of_tokens_is_sent_in_few_parts(desk: Desk) -> None:
    answer = desk.editor.complete(desk.document("x = \n"), 0, 4)
    call = await desk.model.next_call()
    call.write(*[f"a{number} + " for number in range(500)], "z", None)
    [text] = await outcome(answer)
    assert text.endswith("a499 + z")
    assert 1 <= len(answer.parts) < 250
    assert answer.texts()[-1] == text


async def test_cancel_closes_the_connection_to_the_model(desk: Desk) -> None:
    answer = desk.editor.complete(desk.document(), 1, 11)
    call = await desk.model.next_call()
    call.write("width")
    await desk.editor.wait_for(lambda: answer.parts)
    desk.editor.cancel(answer)
    async with asyncio.timeout(WAIT_SECONDS):
        await call.closed.wait()
    assert await outcome(answer) == []


async def test_a_request_elsewhere_in_a_document_ends_the_one_before(desk: Desk) -> None:
    uri = desk.document()
    first = desk.editor.complete(uri, 1, 11)
    first_call = await desk.model.next_call()
    second = desk.editor.complete(uri, 1, 4)
    second_call = await desk.model.next_call()
    async with asyncio.timeout(WAIT_SECONDS):
        await first_call.closed.wait()
    second_call.write("# height", None)
    assert await outcome(first) == []
    assert await outcome(second) == ["# height"]


async def test_a_request_at_the_same_place_goes_on_with_what_is_being_written(desk: Desk) -> None:
    uri = desk.document()
    first = desk.editor.complete(uri, 1, 11)
    call = await desk.model.next_call()
    call.write("wid")
    await desk.editor.wait_for(lambda: first.parts)
    second = desk.editor.complete(uri, 1, 11)
    call.write("th", None)
    assert await outcome(first) == []
    assert await outcome(second) == ["width"]
    assert desk.model.calls.empty()


async def test_requests_for_two_documents_do_not_disturb_each_other(desk: Desk) -> None:
    first = desk.editor.complete(desk.document(), 1, 11)
    first_call = await desk.model.next_call()
    second = desk.editor.complete(desk.document(), 1, 11)
    second_call = await desk.model.next_call()
    second_call.write("two", None)
    assert await outcome(second) == ["two"]
    first_call.write("one", None)
    assert await outcome(first) == ["one"]


async def test_nothing_is_sent_for_text_that_has_changed(desk: Desk) -> None:
    uri = desk.document()
    answer = desk.editor.complete(uri, 1, 11)
    call = await desk.model.next_call()
    call.write("width")
    await desk.editor.wait_for(lambda: answer.parts)
    desk.editor.insert(uri, 1, 11, "x")
    async with asyncio.timeout(WAIT_SECONDS):
        await call.closed.wait()
    parts = len(answer.parts)
    call.write(" * height", None)
    assert await outcome(answer) == []
    # A later request is answered, and still nothing came for the old one.
    later = desk.editor.complete(uri, 1, 12)
    (await desk.model.next_call()).write("y", None)
    assert await outcome(later) == ["y"]
    assert len(answer.parts) == parts


async def test_closing_a_document_ends_its_suggestion(desk: Desk) -> None:
    uri = desk.document()
    answer = desk.editor.complete(uri, 1, 11)
    call = await desk.model.next_call()
    desk.editor.close(uri)
    async with asyncio.timeout(WAIT_SECONDS):
        await call.closed.wait()
    assert await outcome(answer) == []


async def test_what_stands_after_the_cursor_is_never_shown_not_even_for_a_moment(desk: Desk) -> None:
    answer = desk.editor.complete(desk.document("print()\n"), 0, 6)
    call = await desk.model.next_call()
    for token in ("wid", "th", ")"):
        call.write(token)
    async with asyncio.timeout(WAIT_SECONDS):
        # The line is complete at the bracket that is there already, so that the rest is not waited for.
        await call.closed.wait()
    assert await outcome(answer) == ["width"]
    assert all(")" not in text for text in answer.texts())


async def test_a_withdrawn_suggestion_ends_as_an_empty_list(desk: Desk) -> None:
    answer = desk.editor.complete(desk.document("import os\n\n"), 1, 0)
    call = await desk.model.next_call()
    call.write("import", " os", None)
    assert await outcome(answer) == []
    assert "import os" not in answer.texts()


async def test_typing_one_key_after_the_other_asks_the_model_once(desk: Desk) -> None:
    uri = desk.document("x = \n")
    answers = []
    for number, key in enumerate("abcde"):
        desk.editor.insert(uri, 0, 4 + number, key)
        answers.append(desk.editor.complete(uri, 0, 5 + number, automatic=True))
    call = await desk.model.next_call()
    call.write("f", None)
    assert await outcome(answers[-1]) == ["f"]
    assert desk.model.calls.empty()
    for answer in answers[:-1]:
        assert await outcome(answer) == []


async def test_status_falls_to_the_embedded_engine_and_comes_back(desk: Desk) -> None:
    await desk.model.stop()
    answer = desk.editor.complete(desk.document(), 1, 11)
    await outcome(answer)
    value = await desk.editor.wait_for_status(lambda status: status.engine.rung == "embedded")
    assert value.engine.detail
    await desk.model.start()
    await desk.editor.wait_for_status(lambda status: status.engine.rung == "vllm")
    again = desk.editor.complete(desk.document(), 1, 11)
    (await desk.model.next_call()).write("back", None)
    assert await outcome(again) == ["back"]
