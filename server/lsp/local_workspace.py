"""Folders on this machine: their files are found on disk, in the work trees that were indexed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexer.api import Index
from server.lsp.documents import file_path
from server.lsp.git_head import find_work_tree
from server.lsp.workspace import Address, Locate, Moment, Workspace


class LocalWorkspace(Workspace):
    """The workspace of an editor that runs on the same machine.

    Attributes:
        folders: Paths by URI.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folders: dict[str, Path] = {}
        self._addresses: dict[Path, Address | None] = {}

    def begin(self, folders: Sequence[str], options: Any) -> None:
        """Take over the folders that are on disk."""
        self.change(folders, ())

    def claim(self, options: Any) -> None:
        """Take over nothing: the folders can be looked at."""

    def change(self, added: Sequence[str], removed: Sequence[str]) -> None:
        """Take folders in and out."""
        for uri in removed:
            self.folders.pop(uri, None)
        for uri in added:
            path = file_path(uri)
            if path is not None:
                self.folders[uri] = path
        self.forget_addresses()

    def file_uri(self, index: Index, readable: frozenset[str] | None, repository: str, path: str) -> str | None:
        """Return the URI of a file that is in a work tree on this machine."""
        root = self._root_of(index, repository)
        file = root / path if root is not None else None
        return file.as_uri() if file is not None and file.is_file() else None

    def holds(self, uri: str) -> bool:
        """Whether a file is below one of the folders."""
        file = file_path(uri)
        return file is not None and any(file.is_relative_to(folder) for folder in self.folders.values())

    def forget_addresses(self) -> None:
        """Look documents up again: repositories were added or removed."""
        self._addresses.clear()

    def locates_at_once(self, moment: Moment, index: Index | None, readable: frozenset[str] | None) -> bool:
        """Whether every open document was located before."""
        return all(file is None or file in self._addresses for _, file in moment.closed_off)

    def _locator(self, index: Index | None, readable: frozenset[str] | None) -> Locate:
        def locate(uri: str, file: Path | None) -> Address:
            if file is None:
                return Address("", uri)
            if file not in self._addresses:
                found = index.locate(file) if index is not None else None
                self._addresses[file] = Address(*found) if found else None
            return self._addresses[file] or Address("", str(file))

        return locate

    def _root_of(self, index: Index, repository: str) -> Path | None:
        """Return the work tree of a repository: one of the workspace's, else the one it was indexed from."""
        for folder in self.folders.values():
            tree = find_work_tree(folder)
            located = index.locate(tree.root / "x") if tree is not None else None
            if tree is not None and located is not None and located[0] == repository:
                return tree.root
        sources = {status.name: status.source for status in index.repositories()}
        source = Path(sources.get(repository, ""))
        return source if source.is_absolute() and source.is_dir() else None
