"""Where documents are found, and when that is known without looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from indexer.api import Index
from server.lsp.documents import Edit
from server.lsp.local_workspace import LocalWorkspace
from server.lsp.remote_workspace import RemoteWorkspace
from server.lsp.workspace import Address, Workspace
from server.principal import Owner
from tests.conftest import Repository
from tests.server.indexed import build_index

READABLE = None


def located(workspace: Workspace, index: Index, uri: str) -> tuple[bool, str]:
    """Tell whether a document is located without looking, and find its repository."""
    document = workspace.documents.get(uri) or workspace.documents.open(uri, "python", 1, "x = 1\n")
    moment = workspace.moment(document)
    at_once = workspace.locates_at_once(moment, index, READABLE)
    return at_once, workspace.surroundings(moment, index, Owner()).address.repository


def test_a_key_in_a_document_that_was_located_looks_nothing_up(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository({"a.py": "def begin(): ...\n"})
    with build_index(tmp_path / "data", [repository]) as index:
        workspaces: list[Workspace] = [LocalWorkspace(), RemoteWorkspace()]
        for workspace in workspaces:
            workspace.begin([repository.path.as_uri()], {"repositories": [{"uri": repository.path.as_uri()}]})
            uri = (repository.path / "a.py").as_uri()
            assert not located(workspace, index, uri)[0]
            assert located(workspace, index, uri)[0]
            workspace.documents.change(uri, 2, [Edit("y", (0, 0), (0, 0))])
            assert located(workspace, index, uri)[0]
            workspace.change([], [])
            assert not located(workspace, index, uri)[0], "the folders may be others"


def test_a_file_is_found_as_the_index_has_it(tmp_path: Path, make_repository: Callable[..., Repository]) -> None:
    repository = make_repository({"an example.py": "def begin(): ...\n"})
    name = repository.path.name
    with build_index(tmp_path / "data", [repository]) as index:
        workspaces: list[Workspace] = [LocalWorkspace(), RemoteWorkspace()]
        for workspace in workspaces:
            moment = workspace.moment(
                workspace.documents.open(f"hearth:/an%20example.py?{quote(name)}", "python", 1, "def begin(): ...\n")
            )
            assert workspace.surroundings(moment, index, Owner()).address == Address(name, "an example.py")
            nobody = replace(moment, current=replace(moment.current, uri="hearth:/an%20example.py?another"))
            assert workspace.surroundings(nobody, index, Owner()).address.repository == ""


def test_what_may_be_read_is_looked_up_again_when_it_changes(
    tmp_path: Path, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository({"a.py": "def begin(): ...\n"})
    with build_index(tmp_path / "data", [repository]) as index:
        workspace = RemoteWorkspace()
        workspace.begin([repository.path.as_uri()], None)
        located(workspace, index, (repository.path / "a.py").as_uri())
        moment = workspace.moment(next(iter(workspace.documents)))
        assert workspace.locates_at_once(moment, index, READABLE)
        assert not workspace.locates_at_once(moment, index, frozenset())
