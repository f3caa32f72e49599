"""Windows of open files and recent edits that share words with the lines around the cursor."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexer.tokens import identifiers
from server.context.candidates import Candidate
from server.context.values import RecentEdit
from server.types import OpenFile, SnippetReason

_WINDOW_LINES = 24
_STEP = 12
_DOCUMENTS_REMEMBERED = 64
_MAX_DOCUMENT_CHARACTERS = 400_000
_LEAST_SIMILARITY = 0.12


@dataclass(frozen=True, slots=True)
class _Window:
    start_line: int
    end_line: int
    text: str
    words: frozenset[str]


class SimilarWindows:
    """Finds similar windows; keeps the words of documents that did not change; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: OrderedDict[int, tuple[_Window, ...]] = OrderedDict()

    def in_open_files(
        self, words: frozenset[str], files: Sequence[OpenFile], repository: str, weight: float
    ) -> Iterator[Candidate]:
        """Up to two windows a file, weighted by likeness to ``words`` and by how recently the file was used."""
        for rank, file in enumerate(files):
            if len(file.text) > _MAX_DOCUMENT_CHARACTERS:
                continue
            ranked = sorted(
                ((likeness(words, window.words), window) for window in self._of(file.text)),
                key=lambda pair: -pair[0],
            )
            for similarity, window in ranked[:2]:
                if similarity < _LEAST_SIMILARITY:
                    break
                yield Candidate(
                    file.repository or repository, file.path, "", file.language, window.start_line, window.end_line,
                    window.text, weight * similarity * 0.9**rank, SnippetReason.OPEN_FILE,
                )  # fmt: skip

    def in_edits(self, words: frozenset[str], edits: Sequence[RecentEdit], weight: float) -> Iterator[Candidate]:
        """Each edit that shares words with the cursor, the newest weighing most."""
        for rank, edit in enumerate(edits):
            lines = edit.text.split("\n")[: _WINDOW_LINES * 2]
            similarity = likeness(words, frozenset(identifiers("\n".join(lines))))
            if similarity < _LEAST_SIMILARITY:
                continue
            yield Candidate(
                edit.repository, edit.path, "", edit.language, edit.start_line, edit.start_line + len(lines) - 1,
                "\n".join(lines), weight * similarity * 0.9**rank, SnippetReason.RECENT_EDIT,
            )  # fmt: skip

    def _of(self, text: str) -> tuple[_Window, ...]:
        key = hash(text)
        with self._lock:
            known = self._windows.get(key)
            if known is not None:
                self._windows.move_to_end(key)
                return known
        windows = tuple(_cut(text))
        with self._lock:
            self._windows[key] = windows
            if len(self._windows) > _DOCUMENTS_REMEMBERED:
                self._windows.popitem(last=False)
        return windows


def likeness(left: frozenset[str], right: frozenset[str]) -> float:
    """Cosine of two sets of words, 0.0 to 1.0."""
    if not left or not right:
        return 0.0
    return len(left & right) / math.sqrt(len(left) * len(right))


def _cut(text: str) -> Iterator[_Window]:
    lines = text.split("\n")
    for start in range(0, max(1, len(lines) - _STEP), _STEP):
        piece = "\n".join(lines[start : start + _WINDOW_LINES])
        words = frozenset(identifiers(piece))
        if len(words) >= 4:
            yield _Window(start + 1, min(start + _WINDOW_LINES, len(lines)), piece, words)
