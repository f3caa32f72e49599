"""The real language server beside a model server that misbehaves: what the editor sees of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types

from server.lsp.documents import file_path
from tests.e2e.clients import shown_explanation
from tests.e2e.editor import PROFILES, Editor, open_editor, plain
from tests.patience import WAIT_SECONDS
from tests.server.engine.fault_server import (
    DONE,
    FaultServer,
    answers,
    chat_event,
    closes_after,
    event,
    fault_server,
    hangs_after,
)
from tests.server.engine.test_faults import FAULTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "def area(width, height):\n    return \n"


@dataclass
class Desk:
    editor: Editor
    server: FaultServer
    log: Path
    documents: int = 0

    def document(self) -> str:
        """Open a document of its own for each test."""
        self.documents += 1
        uri = f"untitled:Untitled-{self.documents}"
        self.editor.open(uri, TEXT)
        return uri

    def use(self, behaviour: object) -> None:
        """Let the server behave so from the next request on."""
        self.server.behaviour = behaviour  # type: ignore[assignment]  # what the module's functions return
        self.server.forget()
        self.server.closed.clear()
        self.server.started.clear()

    async def suggestion(self) -> Any:
        """Let the server be well, ask until it answers in time, and return the suggestion."""
        self.use(answers(event("width", finish="stop"), DONE))
        async with asyncio.timeout(WAIT_SECONDS):
            while not (items := (await self.editor.complete(self.document(), 1, 11).result).items):
                self.server.forget()
        (item,) = items
        return item

    def messages(self) -> list[str]:
        """What the editor was told to show to the user."""
        return [method for method, _ in self.editor.notifications if method.startswith("window/show")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("faults")
    async with fault_server() as server:
        config = folder / "hearth.toml"
        config.write_text(
            "[engine]\nfailures = 100\n"
            f'[engine.vllm]\nurl = "{server.url}"\nformat = "qwen2.5-coder"\n'
            "first_token_seconds = 0.5\nbetween_tokens_seconds = 0.5\ntotal_seconds = 1.0\n"
            '[completion]\nspeculate = false\nstand_in = 0\n[log]\nlevel = "debug"\n'
        )
        data = folder / "data"
        async with open_editor(None, data, "--config", str(config), capabilities=PROFILES["vscode"]()) as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model)
            yield Desk(editor, server, data / "lsp.log")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_a_suggestion_less_and_no_message(fault: str, desk: Desk) -> None:
    behaviour, before = FAULTS[fault]
    desk.use(behaviour)
    text = await desk.editor.completed(desk.document(), 1, 11)
    assert set(text) <= set(before)
    assert desk.server.requests
    assert not desk.messages()
    log = desk.log.read_text()
    assert "Traceback" not in log
    assert " ERROR " not in log
    assert (await desk.suggestion()).insert_text == "width"


async def test_an_explanation_is_shown_from_its_first_words_and_stops_when_it_is_cancelled(desk: Desk) -> None:
    desk.use(hangs_after(chat_event(None), chat_event("It multiplies. ")))
    answer = desk.editor.explain(desk.document(), (0, 0), (1, 0))
    await desk.editor.wait_for(lambda: answer.parts)
    assert not answer.result.done()
    (sent,) = desk.server.requests
    assert sent["priority"] > 0
    desk.editor.cancel(answer)
    async with asyncio.timeout(WAIT_SECONDS):
        await desk.server.closed.wait()


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (closes_after(chat_event("It multiplies:\n\n```py\nwidth")), "The model server at "),
        (hangs_after(chat_event("It multiplies:\n\n```py\nwidth")), "The model server at "),
        (answers(chat_event("It multiplies:\n\n```py\nwidth", finish="length"), DONE), "It is as long as "),
    ],
    ids=["closes", "hangs", "at its limit"],
)
async def test_an_explanation_that_is_not_whole_says_why_and_the_next_one_is(
    behaviour: object, reason: str, desk: Desk
) -> None:
    shown: list[types.ShowDocumentParams] = desk.editor.client.shown_documents
    desk.use(behaviour)
    uri = desk.document()
    answer = plain(await desk.editor.explain(uri, (0, 0), (1, 0)).result)
    assert answer["engine"] == "vllm"
    # What stands below it in a document is no code.
    assert answer["markdown"] == "It multiplies:\n\n```py\nwidth\n```"
    assert answer["endedEarly"].startswith(reason)

    # Where the text is shown as a document, the document says so.
    await desk.editor.request(types.WORKSPACE_EXECUTE_COMMAND, shown_explanation(uri))
    await desk.editor.wait_for(lambda: shown)
    file = file_path(shown.pop().uri)
    assert file is not None
    assert f"\n```\n\n**The explanation ended early.** {reason}" in file.read_text()

    desk.use(answers(chat_event("It multiplies both.", finish="stop"), DONE))
    async with asyncio.timeout(WAIT_SECONDS):
        while "endedEarly" in (answer := plain(await desk.editor.explain(uri, (0, 0), (1, 0)).result)):
            desk.server.forget()
    assert answer["markdown"] == "It multiplies both."


async def test_one_id_names_a_request_in_the_log_at_the_model_server_and_in_why(desk: Desk) -> None:
    identifier = (await desk.suggestion()).command.arguments[0]
    (headers,) = desk.server.headers
    assert headers["X-Request-Id"] == identifier
    why = plain(await desk.editor.request("hearth/why", {"id": identifier}))
    assert why["requestId"] == identifier
    stages = re.findall(rf"\[{identifier}\] (\w+) took", desk.log.read_text())
    assert {"gather", "prompt", "queue", "first_token", "engine", "post_process"} <= set(stages)
    assert {"prompt", "queue", "first_token", "post_process", "fit", "total"} <= why["stages"].keys()


async def test_an_error_that_is_shown_says_the_requests_id(desk: Desk, tmp_path: Path) -> None:
    config = tmp_path / "hearth.toml"
    config.write_text(f'[engine]\norder = ["vllm"]\n[engine.vllm]\nurl = "{desk.server.url}"\nmodel = "m"\n')
    desk.use(FAULTS["500"][0])
    data = tmp_path / "data"
    async with open_editor(None, data, "--config", str(config), capabilities=PROFILES["vscode"]()) as editor:
        editor.open("untitled:Untitled-1", TEXT)
        with pytest.raises(Exception, match=r"answered 500.*\(request [0-9a-f]{16}\)") as caught:
            await editor.explain("untitled:Untitled-1", (0, 0), (1, 0)).result
    identifier = re.findall(r"\(request ([0-9a-f]{16})\)", str(caught.value))[0]
    assert [headers["X-Request-Id"] for headers in desk.server.headers if "X-Request-Id" in headers] == [identifier]
    assert f"[{identifier}] no explanation" in (data / "lsp.log").read_text()
