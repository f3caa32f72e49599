"""Places as users write them: ``FILE:LINE:COL``, ``FILE:LINE-LINE``, with a path or ``REPO:PATH`` as the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from indexer.api import Index, detect_language
from server.errors import InvalidPosition

_HEAD_BYTES = 1024
_MAX_FILE_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """A file as an editor would have it open.

    ``path`` is relative to ``repository``, or absolute when the file is in no indexed repository.
    """

    path: str
    language: str
    text: str
    repository: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Some lines of a document, 1-based and inclusive. ``one_line`` when only one was named."""

    document: Document
    start_line: int
    end_line: int
    one_line: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """A cursor in a document; ``offset`` counts characters."""

    document: Document
    offset: int


def parse_cursor(place: str, index: Index | None) -> Cursor:
    """Read ``FILE:LINE:COL``, both counted from 1 in characters.

    Raises:
        InvalidPosition: It is not of that form, or there is no such file, line or column.
    """
    found = re.fullmatch(r"(.+):(\d{1,9}):(\d{1,9})", place, re.DOTALL)
    if not found:
        raise InvalidPosition(
            f'"{place}" is not a place in a file', advice="Write FILE:LINE:COL, for example src/app.py:42:9."
        )
    document = open_document(found.group(1), index)
    line, column = int(found.group(2)), int(found.group(3))
    lines = document.text.split("\n")
    _check_line(document, line, len(lines))
    width = len(lines[line - 1].removesuffix("\r"))
    if not 1 <= column <= width + 1:
        raise InvalidPosition(
            f"{document.path}:{line} has no column {column}", advice=f"Its columns are 1 to {width + 1}."
        )
    return Cursor(document, sum(len(text) + 1 for text in lines[: line - 1]) + column - 1)


def parse_lines(place: str, index: Index | None) -> Lines:
    """Read ``FILE:LINE`` or ``FILE:LINE-LINE``.

    Raises:
        InvalidPosition: It is not of that form, or there is no such file or line.
    """
    found = re.fullmatch(r"(.+):(\d{1,9})(?:-(\d{1,9}))?", place, re.DOTALL)
    if not found:
        raise InvalidPosition(
            f'"{place}" names no lines of a file',
            advice="Write FILE:LINE or FILE:LINE-LINE, for example src/app.py:42-60.",
        )
    document = open_document(found.group(1), index)
    first = int(found.group(2))
    last = int(found.group(3) or first)
    count = document.text.count("\n") + (not document.text.endswith("\n"))
    for line in (first, last):
        _check_line(document, line, max(1, count))
    if last < first:
        raise InvalidPosition(
            f"{document.path}:{first}-{last} ends before it begins", advice="Name the first line first."
        )
    return Lines(document, first, last, one_line=found.group(3) is None)


def open_document(name: str, index: Index | None) -> Document:
    """Open a path of this machine, or ``REPO:PATH`` of the index.

    Raises:
        InvalidPosition: There is no such file, or it is not text.
    """
    file = Path(name)
    if not file.is_file():
        indexed = _indexed_document(name, index)
        if indexed is not None:
            return indexed
        raise InvalidPosition(
            f"{name}: there is no such file",
            advice="Give a path from here, or REPO:PATH for a file of the index (`hearth status` lists repositories).",
        )
    text = read_text(file)
    located = index.locate(file.absolute()) if index is not None else None
    repository, path = located or ("", str(file.absolute()))
    return Document(path, detect_language(path, text[:_HEAD_BYTES].encode()), text, repository)


def read_text(file: Path) -> str:
    """Read a text file with its own line ends.

    Raises:
        InvalidPosition: It cannot be read, is too large or is not UTF-8.
    """
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidPosition(f"{file} is larger than 50 MB", advice="Hearth completes and explains source files.")
        # As an editor opens it: a byte order mark is not part of the text.
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidPosition(
            f"{file} cannot be read: {reason}", advice="Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidPosition(f"{file} is not UTF-8 text", advice="Hearth reads UTF-8.") from error


def _indexed_document(name: str, index: Index | None) -> Document | None:
    repository, colon, path = name.partition(":")
    if index is None or not colon:
        return None
    text = index.file_text(repository, "", path)
    if text is None:
        return None
    return Document(path, index.language(repository, "", path) or "", text, repository)


def _check_line(document: Document, line: int, count: int) -> None:
    if not 1 <= line <= count:
        raise InvalidPosition(f"{document.path} has no line {line}", advice=f"Its lines are 1 to {count}.")
