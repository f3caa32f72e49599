"""Open documents, parsed when their structure changes and not on every key stroke."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from indexer.api import parse_source
from indexer.types import ParsedFile

_REMEMBERED = 128
_EMPTY = ParsedFile("", ())
_WHOLE_CHARACTERS = 250_000
"""Of longer documents only the beginning, where imports stand, and what is near the cursor is parsed while typing."""
_HEAD_CHARACTERS = 50_000
_NEAR_CHARACTERS = 75_000


class ParseCache:
    """Parsed open documents, by content; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parsed: OrderedDict[bytes, ParsedFile] = OrderedDict()

    def parse(self, text: str, language: str, *, cursor_line: int = 0) -> ParsedFile:
        """Symbols and imports of ``text``; the one line being typed in (1-based, 0 for none) may be a moment old."""
        key = _key(text, language, cursor_line)
        with self._lock:
            known = self._parsed.get(key)
            if known is not None:
                self._parsed.move_to_end(key)
                return known
        parsed = parse_source(_excerpt(text, cursor_line), language) if text.strip() else _EMPTY
        with self._lock:
            self._parsed[key] = parsed
            if len(self._parsed) > _REMEMBERED:
                self._parsed.popitem(last=False)
        return parsed


def _key(text: str, language: str, cursor_line: int) -> bytes:
    digest = hashlib.blake2b(f"{language}\0{cursor_line}\0".encode(), digest_size=16)
    start = end = 0
    if cursor_line:
        start = _line_start(text, cursor_line)
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
    digest.update(text[:start].encode("utf-8", "surrogatepass"))
    digest.update(text[end:].encode("utf-8", "surrogatepass"))
    return digest.digest()


def _excerpt(text: str, cursor_line: int) -> str:
    """Return ``text`` with lines in between left empty when it is long, so that every line keeps its number."""
    if not cursor_line or len(text) <= _WHOLE_CHARACTERS:
        return text
    cursor = _line_start(text, cursor_line)
    head = text.rfind("\n", 0, _HEAD_CHARACTERS) + 1
    start = max(head, text.rfind("\n", 0, max(head, cursor - _NEAR_CHARACTERS)) + 1)
    end = text.find("\n", max(start, cursor + _NEAR_CHARACTERS))
    end = len(text) if end < 0 else end
    return text[:head] + "\n" * text.count("\n", head, start) + text[start:end]


def _line_start(text: str, line: int) -> int:
    """Return where the 1-based ``line`` begins; 0 stands for the first."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return start
