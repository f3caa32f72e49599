"""Editors that have no plugin of Hearth get its suggestions, hovers and explanations by what they can do."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lsprotocol import types

from server.lsp.documents import file_path
from server.lsp.positions import PositionEncoding
from tests.e2e.clients import CLIENTS, capabilities_of, shown_explanation
from tests.e2e.editor import Editor, open_editor_here, plain

LINES = "".join(f"    value_{number} = compute_the_total_of(order_{number})\n" for number in range(8))
ORDERS = f'def compute_the_total_of(order):\n    """Add up."""\n\n\ndef run():\n{LINES}'
BEFORE = "    label = '👩‍👩‍👧 é שלום'; value_9 = "
TYPED = "compute_the_"


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def editor(client: str, tmp_path: Path) -> AsyncIterator[Editor]:
    settings = "[engine.embedded]\nthreshold = 0.01\n"
    data = tmp_path / "data"
    async with open_editor_here(tmp_path, data, settings, capabilities=capabilities_of(client)) as editor:
        editor.open((tmp_path / "orders.py").as_uri(), ORDERS)
        editor.open((tmp_path / "more.py").as_uri(), f"def run():\n{BEFORE}{TYPED}\n")
        yield editor


def at(editor: Editor, text: str) -> types.Position:
    """Return where ``text`` ends that the second line of more.py begins with, in the units that were agreed on."""
    encoding = PositionEncoding(str(editor.capabilities.position_encoding))
    return types.Position(1, encoding.units(text))


async def test_what_is_offered_is_what_it_can_use(client: str, editor: Editor) -> None:
    offered = editor.capabilities
    encodings = CLIENTS[client].get("general", {}).get("positionEncodings", ["utf-16"])
    assert offered.position_encoding == encodings[0]
    assert offered.completion_provider is not None
    assert offered.hover_provider
    assert offered.code_action_provider
    # Nothing is to be pulled that Hearth has not got.
    assert offered.diagnostic_provider is None


async def test_suggestion_is_an_item_of_plain_text_at_the_cursor(editor: Editor, tmp_path: Path) -> None:
    position = at(editor, BEFORE + TYPED)
    place = types.TextDocumentIdentifier((tmp_path / "more.py").as_uri())
    found = await editor.request(types.TEXT_DOCUMENT_COMPLETION, types.CompletionParams(place, position))
    [item] = found.items
    assert item.text_edit == types.TextEdit(types.Range(position, position), item.text_edit.new_text)
    assert item.text_edit.new_text.startswith("total_of(")
    # All that editors filter and show by begins with what is typed, and none of it is a snippet.
    assert item.filter_text.startswith("compute_the_total_of(")
    assert item.label.startswith("compute_the_total_of(")
    assert item.insert_text_format is types.InsertTextFormat.PlainText


async def test_hover_comes_in_a_format_that_it_shows(client: str, editor: Editor, tmp_path: Path) -> None:
    place = types.TextDocumentIdentifier((tmp_path / "orders.py").as_uri())
    hover = await editor.request(types.TEXT_DOCUMENT_HOVER, types.HoverParams(place, types.Position(0, 8)))
    formats = CLIENTS[client]["textDocument"]["hover"]["contentFormat"]
    assert hover.contents.kind.value in formats
    assert hover.contents.value.startswith(
        "```python\ndef compute_the_total_of(order)" if "markdown" in formats else "def compute_the_total_of(order)\n"
    )
    assert ("`" in hover.contents.value) == ("markdown" in formats)


async def test_explanation_is_a_code_action_that_shows_a_document_or_a_message(
    client: str, editor: Editor, tmp_path: Path
) -> None:
    place = types.TextDocumentIdentifier((tmp_path / "orders.py").as_uri())
    span = types.Range(types.Position(0, 0), types.Position(1, 0))
    params = types.CodeActionParams(place, span, types.CodeActionContext(diagnostics=[]))
    [action] = plain(await editor.request(types.TEXT_DOCUMENT_CODE_ACTION, params))
    command = action["command"]
    answer = await editor.request(
        types.WORKSPACE_EXECUTE_COMMAND, types.ExecuteCommandParams(command["command"], command["arguments"])
    )
    assert "compute_the_total_of" in plain(answer)["markdown"]
    documents, messages = editor.client.shown_documents, editor.client.messages
    await editor.wait_for(lambda: documents or messages)
    if client == "zed":
        assert "compute_the_total_of" in messages[0].message
        return
    file = file_path(documents[0].uri)
    assert file is not None
    assert file.read_text().startswith(plain(answer)["markdown"].rstrip())
    assert file.parent.stat().st_mode & 0o077 == 0


async def test_shown_documents_go_with_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with open_editor_here(tmp_path, tmp_path / "data", capabilities=capabilities_of("helix")) as editor:
        uri = (tmp_path / "orders.py").as_uri()
        editor.open(uri, ORDERS)
        for _ in range(25):
            await editor.request(types.WORKSPACE_EXECUTE_COMMAND, shown_explanation(uri))
        await editor.wait_for(lambda: len(editor.client.shown_documents) == 25)
        files = [file_path(shown.uri) or tmp_path for shown in editor.client.shown_documents]
        assert sum(file.is_file() for file in files) == 20
    assert not files[-1].parent.exists()


async def test_where_no_document_can_be_written_the_text_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    async with open_editor_here(tmp_path, tmp_path / "data", capabilities=capabilities_of("helix")) as editor:
        uri = (tmp_path / "orders.py").as_uri()
        editor.open(uri, ORDERS)
        await editor.request(types.WORKSPACE_EXECUTE_COMMAND, shown_explanation(uri))
        await editor.wait_for(lambda: editor.client.messages)
        assert "compute_the_total_of" in editor.client.messages[0].message
