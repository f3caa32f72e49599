"""Where documents belong: workspace folders, repositories, and what a request may read.

The workspace is either on this machine (:mod:`server.lsp.local_workspace`) or on the editor's, which the server cannot
look into (:mod:`server.lsp.remote_workspace`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from indexer.api import Index, detect_language
from indexer.errors import IndexerError
from indexer.types import Scope
from server.context import RecentEdit
from server.lsp.documents import Document, Documents
from server.principal import Principal
from server.types import Caller, OpenFile

_MAX_OPEN_FILES = 16
_MAX_OPEN_CHARACTERS = 400_000
_MAX_EDIT_LINES = 40
_EDIT_MARGIN = 3
_PLAIN = "text"
_INDEXED = "hearth:/"
"""How the URIs begin by which editors show files as they are in the index."""

_LANGUAGES = {
    "typescriptreact": "tsx",
    "javascriptreact": "javascript",
    "shellscript": "bash",
    "sh": "bash",
    "zsh": "bash",
    "cs": "csharp",
    "objective-c": "objectivec",
    "plaintext": "text",
    "proto": "protobuf",
    "proto3": "protobuf",
    "make": "makefile",
    "viml": "vim",
    "dockercompose": "yaml",
}
"""Editors' names of languages where the index has another."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a document is. ``path`` is relative to ``repository``, or absolute (or a URI) outside of one.

    ``ref`` is the indexed branch that the editor has checked out; empty for the repository's default.
    """

    repository: str
    path: str
    ref: str = ""


Locate = Callable[[str, Path | None], Address]
"""``(URI, path on the editor's machine if it is a file) -> address``."""


@dataclass(frozen=True, slots=True)
class OpenText:
    """An open document, taken down at one moment."""

    uri: str
    file: Path | None
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class EditedText:
    """A recently edited region, taken down at one moment; ``start_line`` is 1-based."""

    uri: str
    file: Path | None
    language: str
    start_line: int
    text: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What the editor shows at the time of a request: taken on the event loop, used in a thread."""

    current: OpenText
    others: tuple[OpenText, ...]
    closed_off: tuple[tuple[str, Path | None], ...]
    """All open documents, also those too large to pass on: their indexed text is outdated."""
    edits: tuple[EditedText, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A moment with every document located."""

    address: Address
    language: str
    caller: Caller
    scope: Scope
    open_files: tuple[OpenFile, ...]
    recent_edits: tuple[RecentEdit, ...]


class Workspace(ABC):
    """The folders of the editor and the documents in them."""

    def __init__(self) -> None:
        self.documents = Documents()

    @abstractmethod
    def begin(self, folders: Sequence[str], options: Any) -> None:
        """Take over the URIs of the folders and what the client said of them in ``initializationOptions.hearth``."""

    @abstractmethod
    def claim(self, options: Any) -> None:
        """Take over what the client says of its folders now, in place of what it said before."""

    @abstractmethod
    def change(self, added: Sequence[str], removed: Sequence[str]) -> None:
        """Take folders in and out, by URI."""

    @abstractmethod
    def file_uri(self, index: Index, readable: frozenset[str] | None, repository: str, path: str) -> str | None:
        """Return the URI by which the editor can open a file of a repository. Reads the index: call it in a thread."""

    @abstractmethod
    def holds(self, uri: str) -> bool:
        """Whether a file is below one of the folders."""

    @abstractmethod
    def locates_at_once(self, moment: Moment, index: Index | None, readable: frozenset[str] | None) -> bool:
        """Whether :meth:`surroundings` needs neither files nor the index, because it knows where all documents are."""

    @abstractmethod
    def _locator(self, index: Index | None, readable: frozenset[str] | None) -> Locate:
        """Return what finds documents in the repositories of the index that may be read."""

    def moment(self, document: Document) -> Moment:
        """Take down what the editor shows now. On the event loop only; costs no more than copying what changed."""
        others: list[OpenText] = []
        room = _MAX_OPEN_CHARACTERS
        for other in self.documents:
            if other is document or len(others) >= _MAX_OPEN_FILES:
                continue
            room -= other.length
            if room < 0:
                break
            others.append(_taken(other))
        return Moment(
            _taken(document),
            tuple(others),
            tuple((other.uri, other.path) for other in self.documents),
            tuple(self._edits()),
        )

    def surroundings(self, moment: Moment, index: Index | None, principal: Principal) -> Surroundings:
        """Locate every document of ``moment``. Call it in a thread, unless :meth:`locates_at_once`."""
        readable = principal.readable
        locate = self._locate(index, readable)
        open_now = {locate(uri, file) for uri, file in moment.closed_off}
        exclude = frozenset((item.repository, item.path) for item in open_now if item.repository)
        return Surroundings(
            address=locate(moment.current.uri, moment.current.file),
            language=moment.current.language,
            caller=principal.caller,
            scope=Scope(readable, exclude=exclude),
            open_files=tuple(_open_file(item, locate(item.uri, item.file)) for item in moment.others),
            recent_edits=tuple(_recent_edit(item, locate(item.uri, item.file)) for item in moment.edits),
        )

    def _locate(self, index: Index | None, readable: frozenset[str] | None) -> Locate:
        """Return what finds any document: as the index has it, or in a folder."""
        in_folder = self._locator(index, readable)

        def locate(uri: str, file: Path | None) -> Address:
            if not uri.startswith(_INDEXED):
                return in_folder(uri, file)
            return _as_indexed(uri, index, readable) or Address("", uri)

        return locate

    def _edits(self) -> Iterable[EditedText]:
        for region in self.documents.recent_edits():
            document = self.documents.get(region.uri)
            if document is None:
                continue
            start = max(0, region.start - _EDIT_MARGIN)
            end = min(len(document.lines), region.end + _EDIT_MARGIN, start + _MAX_EDIT_LINES)
            text = "".join(document.lines[start:end])
            if text.strip():
                yield EditedText(document.uri, document.path, language(document), start + 1, text)


def language(document: Document) -> str:
    """The document's language as the index names it: by its path, else by what the editor says."""
    named = _LANGUAGES.get(document.language_id, document.language_id)
    if document.path is None:
        return named
    detected = detect_language(document.path.name, document.lines[0][:256].encode("utf-8", "replace"))
    return detected if detected != _PLAIN else named or _PLAIN


def _as_indexed(uri: str, index: Index | None, readable: frozenset[str] | None) -> Address | None:
    """Return where ``hearth:/PATH?REPOSITORY`` is, if its repository is in the index and may be read."""
    path, _, repository = uri.removeprefix(_INDEXED).partition("?")
    repository = unquote(repository)
    if index is None or (readable is not None and repository not in readable):
        return None
    with suppress(IndexerError):
        index.commit(repository)
        return Address(repository, unquote(path))
    return None


def _taken(document: Document) -> OpenText:
    return OpenText(document.uri, document.path, language(document), document.text)


def _open_file(item: OpenText, address: Address) -> OpenFile:
    return OpenFile(path=address.path, language=item.language, text=item.text, repository=address.repository)


def _recent_edit(item: EditedText, address: Address) -> RecentEdit:
    return RecentEdit(
        path=address.path,
        language=item.language,
        start_line=item.start_line,
        text=item.text,
        repository=address.repository,
    )
