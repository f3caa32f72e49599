"""Open documents, parsed when their structure changes and not on every key stroke."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from indexer.api import parse_source
from indexer.types import ParsedFile

_REMEMBERED = 128
_EMPTY = ParsedFile("", ())


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
        parsed = parse_source(text, language) if text.strip() else _EMPTY
        with self._lock:
            self._parsed[key] = parsed
            if len(self._parsed) > _REMEMBERED:
                self._parsed.popitem(last=False)
        return parsed


def _key(text: str, language: str, cursor_line: int) -> bytes:
    digest = hashlib.blake2b(f"{language}\0{cursor_line}\0".encode(), digest_size=16)
    start = end = 0
    if cursor_line:
        for _ in range(cursor_line - 1):
            start = text.find("\n", start) + 1
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
    digest.update(text[:start].encode("utf-8", "surrogatepass"))
    digest.update(text[end:].encode("utf-8", "surrogatepass"))
    return digest.digest()
