"""Workspaces and clients of all sorts; the server runs in the test's own process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from lsprotocol import types
from pytest_lsp import client_capabilities

from indexer.store.database import connect_writer
from server.lsp.remote_workspace import RemoteWorkspace
from server.principal import Owner
from tests.conftest import Repository
from tests.e2e.editor import Editor, open_editor_here, plain
from tests.e2e.model_server import running_model_server
from tests.server.indexed import build_index
from tests.server.prompt.tokenizers import like_qwen, like_starcoder


async def test_no_folder_no_file_no_git(tmp_path: Path) -> None:
    async with open_editor_here(None, tmp_path / "data") as editor:
        await editor.wait_for_status(lambda value: value.index.state == "empty")
        await _use(editor, "untitled:Untitled-1")
        await _use(editor, (tmp_path / "loose.py").as_uri())
        await _use(editor, "vscode-vfs://github/owner/repository/a.py")
        # Nothing is known of a document that was never opened.
        assert await editor.completed("file:///never/opened.py", 0, 0) == ""
        with pytest.raises(Exception, match="not open"):
            await editor.explain("file:///never/opened.py", (0, 0), (0, 0)).result


async def test_folder_outside_of_git(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    async with open_editor_here(folder, tmp_path / "data") as editor:
        await editor.wait_for_status(lambda value: value.index.state == "empty")
        await _use(editor, (folder / "a.py").as_uri())
        assert editor.client.messages == []


async def test_folders_that_come_later_are_indexed_too(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository({"a.py": "def begin(): ...\n"})
    async with open_editor_here(None, tmp_path / "data", auto_index=True) as editor:
        await editor.wait_for_status(lambda value: value.index.state == "empty")
        folder = types.WorkspaceFolder(repository.path.as_uri(), "demo")
        editor.client.workspace_did_change_workspace_folders(
            types.DidChangeWorkspaceFoldersParams(types.WorkspaceFoldersChangeEvent(added=[folder], removed=[]))
        )
        await editor.wait_for_status(lambda value: value.index.state == "ready")


def test_a_branch_that_is_checked_out_later_is_read_from_then_on(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository({"a.py": "def begin(): ...\n"}, name="shop")
    repository.git("branch", "next")
    build_index(tmp_path / "data", [repository]).close()
    repository.git("switch", "--quiet", "next")
    with build_index(tmp_path / "data", [repository]) as index:
        workspace = RemoteWorkspace()
        document = workspace.documents.open("file:///home/ana/copy/a.py", "python", 1, "")
        claim = {"uri": "file:///home/ana/copy", "remote": "git@git.example.invalid:team/shop.git"}
        workspace.begin(["file:///home/ana/copy"], {"repositories": [claim | {"head": "main"}]})

        def ref() -> str:
            return workspace.surroundings(workspace.moment(document), index, Owner()).address.ref

        assert ref() == "main"
        workspace.claim({"repositories": [claim | {"head": "next"}]})
        assert ref() == "next"
        for nonsense in (None, {"repositories": "all"}, {"repositories": [7]}):
            workspace.claim(nonsense)
            assert ref() == ""


async def test_repository_without_commits_is_indexed_after_the_first(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository()
    async with open_editor_here(repository.path, tmp_path / "data", auto_index=True) as editor:
        await editor.wait_for_status(lambda value: value.index.state == "empty")
        await _use(editor, (repository.path / "a.py").as_uri())
        commit = repository.commit({"a.py": "def begin(): ...\n"})
        await editor.wait_for_status(lambda value: [item.commit for item in value.index.repositories] == [commit])
        assert editor.client.messages == []


async def test_index_that_cannot_be_opened_is_said_once_and_completions_go_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    connect_writer(data).close()
    with closing(sqlite3.connect(data / "hearth.sqlite")) as connection:
        connection.execute("UPDATE meta SET value = 999 WHERE key = 'schema'")
        connection.commit()
    async with open_editor_here(None, data) as editor:
        await editor.wait_for_status(lambda value: value.engine.rung == "embedded")
        assert len(editor.client.messages) == 1
        assert "hearth.sqlite" in editor.client.messages[0].message
        await _use(editor, "untitled:Untitled-1")


async def test_a_damaged_index_is_begun_anew_without_a_word(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository({"a.py": "def begin(): ...\n"})
    data = tmp_path / "data"
    data.mkdir()
    (data / "hearth.sqlite").write_bytes(b"this is no database " * 500)
    async with open_editor_here(repository.path, data, auto_index=True) as editor:
        await editor.wait_for_status(lambda value: value.index.state == "ready")
        assert editor.client.messages == []


async def test_indexing_can_be_left_to_others(tmp_path: Path, make_repository: Callable[..., Repository]) -> None:
    repository = make_repository({"a.py": "def begin(): ...\n"})
    options = {"hearth": {"autoIndex": False, "data": str(tmp_path / "elsewhere")}}
    async with open_editor_here(repository.path, tmp_path / "data", initialization=options) as editor:
        await editor.wait_for_status(lambda value: value.index.state == "empty")
        await editor.send(types.WORKSPACE_EXECUTE_COMMAND, {"command": "hearth.reindex"}).result
        await editor.wait_for_status(lambda value: value.index.state == "ready")
        assert (tmp_path / "elsewhere" / "hearth.sqlite").exists()
        assert not (tmp_path / "data" / "hearth.sqlite").exists()


@pytest.mark.parametrize(("offered", "column"), [(["utf-8", "utf-16"], 14), (["utf-32"], 10), (["utf-7"], 11)])
async def test_position_encoding_is_negotiated(tmp_path: Path, offered: list[str], column: int) -> None:
    capabilities = types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=offered),
        text_document=types.TextDocumentClientCapabilities(
            inline_completion=types.InlineCompletionClientCapabilities()
        ),
    )
    async with open_editor_here(None, tmp_path / "data", capabilities=capabilities) as editor:
        assert editor.capabilities.position_encoding == (offered[0] if offered != ["utf-7"] else "utf-16")
        uri = "untitled:Untitled-1"
        editor.open(uri, "def area(width): ...\n\n\nx = '😀é'; ara(1)\n")
        editor.insert(uri, 3, column + 2, "e")
        hover = await editor.request(
            types.TEXT_DOCUMENT_HOVER,
            types.HoverParams(types.TextDocumentIdentifier(uri), types.Position(3, column + 1)),
        )
        assert "def area(width)" in hover.contents.value
        assert hover.range == types.Range(types.Position(3, column), types.Position(3, column + 4))


async def test_editor_without_inline_completion_gets_a_completion_item(tmp_path: Path) -> None:
    lines = "".join(f"    value_{number} = compute_the_total_of(order_{number})\n" for number in range(8))
    capabilities = client_capabilities("neovim@v0.11.0")
    settings = "[engine.embedded]\nthreshold = 0.01\n"
    async with open_editor_here(None, tmp_path / "data", settings, capabilities=capabilities) as editor:
        assert editor.capabilities.completion_provider is not None
        editor.open((tmp_path / "orders.py").as_uri(), f"def run():\n{lines}")
        uri = (tmp_path / "more.py").as_uri()
        editor.open(uri, "def run():\n    value_9 = compute_the_\n")
        position = types.Position(1, 26)
        found = await editor.request(
            types.TEXT_DOCUMENT_COMPLETION, types.CompletionParams(types.TextDocumentIdentifier(uri), position)
        )
        assert found.is_incomplete
        [item] = found.items
        assert item.text_edit.new_text.startswith("total_of(")
        assert item.label.startswith("compute_the_total_of(")
        assert item.label_details.description == "Hearth"
        assert item.text_edit.range == types.Range(position, position)
        assert not item.preselect


async def _use(editor: Editor, uri: str) -> None:
    """Do a bit of everything; whatever comes back, nothing fails."""
    editor.open(uri, "def run(count):\n    total = count\n    return \n")
    await editor.completed(uri, 2, 11)
    await editor.completed(uri, 999, 999)
    await editor.request(
        types.TEXT_DOCUMENT_HOVER, types.HoverParams(types.TextDocumentIdentifier(uri), types.Position(0, 5))
    )
    assert "run" in plain(await editor.explain(uri, (0, 5), (0, 5)).result)["markdown"]
    editor.close(uri)


@pytest.mark.parametrize(("model", "known"), [("qwen", "counted"), ("starcoder", "estimated")])
async def test_the_status_says_how_tokens_are_counted(tmp_path: Path, model: str, known: str) -> None:
    tokenizer = like_qwen() if model == "qwen" else like_starcoder()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    async with running_model_server() as server:
        settings = f'[engine.vllm]\nurl = "{server.url}"\ntokenizer = "{tmp_path}"\n'
        async with open_editor_here(None, tmp_path / "data", settings) as editor:
            # The tokenizer is read after the model is known: that it was read is told by itself.
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.tokens == known)
