r"""The documents that the editor has open, as it has them now.

Text is kept as a list of lines, so that a key stroke in a file of 50,000 lines costs a fraction of a millisecond; the
whole text is put together only when someone asks for it. Lines end at ``\n``, ``\r\n`` or ``\r`` and nowhere else,
as the protocol says (``str.splitlines`` knows more, and would count differently from the client).
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from server.completion import Replacement
from server.lsp.positions import PositionEncoding, without_lone_surrogates

MAX_RECENT_EDITS = 16
_MERGE_DISTANCE = 8
_ENDS_ONLY_FOR_PYTHON = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a document: line and column from 0, the column in Python's characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace what stands between two client positions (line, column in negotiated units) by ``text``.

    Without ``start`` and ``end`` the whole document is replaced.
    """

    text: str
    start: tuple[int, int] | None = None
    end: tuple[int, int] | None = None


@dataclass(slots=True)
class EditedRegion:
    """Lines of a document that were changed lately, from 0, ``end`` exclusive."""

    uri: str
    start: int
    end: int


@dataclass(slots=True)
class Document:
    """One open document. ``path`` is absolute, ``None`` for documents that are not files (``untitled:``)."""

    uri: str
    language_id: str
    version: int
    encoding: PositionEncoding
    path: Path | None
    lines: list[str] = field(default_factory=lambda: [""])
    """Each with its own line end; the last one has none."""
    _text: str | None = None

    @property
    def text(self) -> str:
        """All of the text; put together at most once per version."""
        if self._text is None:
            self._text = "".join(self.lines)
        return self._text

    @property
    def length(self) -> int:
        """Number of characters, or an upper estimate that costs nothing while the text is not put together."""
        return len(self._text) if self._text is not None else sum(map(len, self.lines))

    def place(self, line: int, units: int) -> Place:
        """Convert a client's position; one that does not exist becomes the nearest one that does."""
        if line < 0:
            return Place(0, 0)
        if line >= len(self.lines):
            return Place(len(self.lines) - 1, len(self.lines[-1]))
        content = self.lines[line].rstrip("\r\n")
        return Place(line, self.encoding.column(content, units))

    def client_position(self, place: Place) -> tuple[int, int]:
        """Convert back to line and column in the client's units."""
        return place.line, self.encoding.units(self.lines[place.line][: place.column])

    def split_at(self, place: Place) -> tuple[str, str]:
        """Return the text before and after ``place``."""
        line = self.lines[place.line]
        before = "".join(self.lines[: place.line]) + line[: place.column]
        after = line[place.column :] + "".join(self.lines[place.line + 1 :])
        return before, after

    def text_between(self, start: Place, end: Place) -> str:
        """Return the text from ``start`` to ``end``."""
        if start.line == end.line:
            return self.lines[start.line][start.column : end.column]
        head = self.lines[start.line][start.column :]
        return head + "".join(self.lines[start.line + 1 : end.line]) + self.lines[end.line][: end.column]

    def replacement(self, edit: Edit) -> Replacement:
        """Say what a change that was not applied yet replaces."""
        text, last = without_lone_surrogates(edit.text), len(self.lines) - 1
        start, end = Place(0, 0), Place(last, len(self.lines[last]))
        if edit.start is not None and edit.end is not None:
            start, end = sorted((self.place(*edit.start), self.place(*edit.end)))
        return Replacement((start.line, start.column), (end.line, end.column), self.text_between(start, end), text)

    def apply(self, edit: Edit) -> tuple[int, int]:
        """Apply one change and return the lines (from, to exclusive) that hold the new text."""
        self._text = None
        text = without_lone_surrogates(edit.text)
        if edit.start is None or edit.end is None:
            self.lines = split_lines(text)
            return 0, len(self.lines)
        start, end = sorted((self.place(*edit.start), self.place(*edit.end)))
        first, last = start.line, end.line
        replaced = self.lines[first][: start.column] + text + self.lines[last][end.column :]
        if first > 0 and replaced.startswith("\n") and self.lines[first - 1].endswith("\r"):
            # A line feed typed right after a lone carriage return makes one line end of the two.
            first -= 1
            replaced = self.lines[first] + replaced
        new = split_lines(replaced)
        if last + 1 < len(self.lines):
            # The old last line keeps its line end, so that splitting left an empty line behind it.
            new.pop()
        self.lines[first : last + 1] = new
        return first, first + len(new)


class Documents:
    """All open documents, most recently used first, and where they were edited lately."""

    def __init__(self) -> None:
        self.encoding = PositionEncoding.UTF16
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._edits: deque[EditedRegion] = deque(maxlen=MAX_RECENT_EDITS)

    def __iter__(self) -> Iterator[Document]:
        return reversed(self._documents.values())

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, uri: str) -> Document | None:
        """Return the open document of that URI."""
        return self._documents.get(document_key(uri))

    def open(self, uri: str, language_id: str, version: int, text: str) -> Document:
        """Take over a document from the client; opening it again replaces it."""
        lines = split_lines(without_lone_surrogates(text))
        document = Document(uri, language_id, version, self.encoding, file_path(uri), lines)
        self._documents[document_key(uri)] = document
        self._documents.move_to_end(document_key(uri))
        return document

    def change(
        self, uri: str, version: int, edits: Sequence[Edit], replaced: Callable[[Replacement], None] | None = None
    ) -> Document | None:
        """Apply changes in order, and tell ``replaced`` of each; a document that was never opened is ignored."""
        document = self.get(uri)
        if document is None:
            return None
        for edit in edits:
            lines_before = len(document.lines)
            replacement = document.replacement(edit) if replaced is not None else None
            start, end = document.apply(edit)
            if replaced is not None and replacement is not None:
                replaced(replacement)
            if edit.start is not None:
                self._note_edit(document.uri, start, end, len(document.lines) - lines_before)
        document.version = version
        self._documents.move_to_end(document_key(uri))
        return document

    def touch(self, uri: str) -> None:
        """Note that the user works in this document now."""
        if document_key(uri) in self._documents:
            self._documents.move_to_end(document_key(uri))

    def close(self, uri: str) -> None:
        """Forget a document; closing one that is not open does nothing."""
        self._documents.pop(document_key(uri), None)
        self._edits = deque((edit for edit in self._edits if edit.uri != uri), maxlen=MAX_RECENT_EDITS)

    def recent_edits(self) -> list[EditedRegion]:
        """Regions edited lately, the latest first."""
        return list(reversed(self._edits))

    def _note_edit(self, uri: str, start: int, end: int, shift: int) -> None:
        for region in self._edits:
            if region.uri == uri and region.start >= end - shift:
                region.start += shift
                region.end += shift
        for region in self._edits:
            if region.uri == uri and start <= region.end + _MERGE_DISTANCE and end >= region.start - _MERGE_DISTANCE:
                self._edits.remove(region)
                start, end = min(start, region.start), max(end, region.end + max(0, shift))
                break
        self._edits.append(EditedRegion(uri, start, end))


def split_lines(text: str) -> list[str]:
    """Split at the protocol's line ends and keep them; there is always a last line, which has none."""
    # Python's own splitting is many times quicker, where it knows the same line ends.
    lines = _LINE.findall(text) if any(end in text for end in _ENDS_ONLY_FOR_PYTHON) else text.splitlines(keepends=True)
    if not lines or lines[-1].endswith(("\n", "\r")):
        lines.append("")
    return lines


def file_path(uri: str) -> Path | None:
    """Return the absolute path of a ``file:`` URI, or ``None`` for any other."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "file" or not parts.path:
        return None
    return Path(url2pathname(parts.path))


def document_key(uri: str) -> str:
    """Return what two spellings of one document's URI have in common."""
    # Clients differ in what they percent-encode, and one client may differ from itself between two messages.
    return unquote(uri)
