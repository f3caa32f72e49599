"""Cases of ``hearth complete --cases``: one JSON object a line."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from indexer.api import Index, detect_language
from indexer.errors import IndexerError
from indexer.types import Scope
from server.cli.places import read_text
from server.errors import InvalidCaseFile
from server.types import CompletionRequest

_MAX_LINE_CHARACTERS = 64_000_000
_HEAD_BYTES = 1024
_KEYS = frozenset({"id", "repo", "ref", "path", "offset", "prefix", "suffix"})


@dataclass(frozen=True, slots=True)
class Case:
    """One cursor to complete at. ``prefix`` or ``suffix`` is None when the file's text is meant."""

    id: str | int
    path: str
    repository: str
    ref: str
    offset: int
    prefix: str | None
    suffix: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a case file: a case, or what is wrong with it. ``id`` is whatever stood there, or None."""

    number: int
    id: Any
    case: Case | None = None
    error: InvalidCaseFile | None = None


def read_cases(file: Path) -> Iterator[Line]:
    """Read the lines of a file one by one; blank lines are passed over.

    Raises:
        InvalidCaseFile: The file as a whole cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="\n") as lines:
            for number, text in enumerate(lines, start=1):
                if text.strip():
                    yield _parse(file, number, text)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidCaseFile(
            f"{file} cannot be read: {reason}", advice="Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidCaseFile(
            f"{file} is not UTF-8", advice="Save the cases as UTF-8, one JSON object a line."
        ) from error


def request_for(line: Line, case: Case, file: Path, index: Index | None) -> CompletionRequest:
    """Make the request of a case. The file at the cursor counts as open: its indexed version is excluded.

    Without a repository nothing of the index may be read; with one, only that one.

    Raises:
        InvalidCaseFile: Repository, path or offset do not exist.
    """
    try:
        text, language = _file(case, index)
    except IndexerError as error:
        raise InvalidCaseFile(f"{file}:{line.number}: {error.message}", advice=error.advice) from error
    if case.prefix is not None or case.suffix is not None:
        prefix, suffix = case.prefix or "", case.suffix or ""
    elif case.offset > len(text):
        raise InvalidCaseFile(
            f"{file}:{line.number}: offset {case.offset} is after the end of {case.path} ({len(text)} characters)",
            advice="Offsets count characters, not bytes, from 0.",
        )
    else:
        prefix, suffix = text[: case.offset], text[case.offset :]
    scope = Scope(frozenset())
    if case.repository:
        scope = Scope(exclude=frozenset({(case.repository, case.path)})).only(case.repository, case.ref)
    return CompletionRequest(
        path=case.path,
        language=language,
        prefix=prefix,
        suffix=suffix,
        repository=case.repository,
        ref=case.ref,
        scope=scope,
    )


def _file(case: Case, index: Index | None) -> tuple[str, str]:
    """Return the text (empty when the case brings its own) and the language."""
    has_own_text = case.prefix is not None or case.suffix is not None
    if not case.repository or index is None:
        text = "" if has_own_text else read_text(Path(case.path))
        head = (case.prefix or text)[:_HEAD_BYTES].encode(errors="replace")
        return text, detect_language(case.path, head)
    index.commit(case.repository, case.ref)  # raises when there is no such repository or ref
    language = index.language(case.repository, case.ref, case.path)
    if has_own_text:
        return "", language or detect_language(case.path, (case.prefix or "")[:_HEAD_BYTES].encode(errors="replace"))
    indexed = index.file_text(case.repository, case.ref, case.path)
    if indexed is None:
        raise InvalidCaseFile(
            f"{case.path} is not in the index of {case.repository}",
            advice=f"`hearth skips {case.repository}` says what was left out and why; or give prefix and suffix.",
        )
    return indexed, language or ""


def _parse(file: Path, number: int, text: str) -> Line:
    id_: Any = None
    try:
        value = _object(text)
        id_ = value.get("id")
        return Line(number, id_, _case(value))
    except _Unusable as error:
        advice = (
            'A case is {"id", "repo"?, "ref"?, "path", "offset"}, or has "prefix" and "suffix" instead of "offset".'
        )
        return Line(number, id_, error=InvalidCaseFile(f"{file}:{number}: {error}", advice=advice))


_NO_PATH = "untitled"
"""Stands for the path of a text that has none."""


class _Unusable(Exception):
    """What is wrong with one line; its number is added where it is known."""


def _object(text: str) -> dict[str, Any]:
    if len(text) > _MAX_LINE_CHARACTERS:
        raise _Unusable("the line is longer than 64 MB")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Unusable(f"not JSON ({error})") from error
    if not isinstance(value, dict):
        raise _Unusable("not a JSON object")
    return value


def _case(value: dict[str, Any]) -> Case:
    id_, path, offset = value.get("id"), value.get("path"), value.get("offset")
    if not isinstance(id_, (str, int)) or isinstance(id_, bool):
        raise _Unusable('"id" must be text or a whole number')
    # A file of cases may carry more, such as what is expected; only what looks like a slip of the pen is refused.
    for unknown in sorted(set(value) - _KEYS):
        meant = get_close_matches(unknown, _KEYS - set(value), n=1, cutoff=0.8)
        if meant:
            raise _Unusable(f'unknown key "{unknown}"; did you mean "{meant[0]}"?')
    for key in ("repo", "ref", "path", "prefix", "suffix"):
        if value.get(key) is not None and not isinstance(value[key], str):
            raise _Unusable(f'"{key}" must be text')
    prefix, suffix = value.get("prefix"), value.get("suffix")
    if not path and (prefix is not None or suffix is not None):
        path = _NO_PATH
    if not path or "\0" in path:
        raise _Unusable('"path" is missing' if not path else '"path" has a zero byte')
    if offset is None and prefix is None and suffix is None:
        raise _Unusable('"offset" is missing')
    if offset is not None and (not isinstance(offset, int) or isinstance(offset, bool) or offset < 0):
        raise _Unusable('"offset" must be a whole number from 0 on, in characters')
    if value.get("repo"):
        # As the index spells it, so that no other spelling lets the indexed version in.
        path = posixpath.normpath(path)
    return Case(id_, path, value.get("repo") or "", value.get("ref") or "", offset or 0, prefix, suffix)
