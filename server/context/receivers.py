"""Of which type the thing before the dot probably is: declared, constructed, or the type itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from indexer.types import ParsedFile, Symbol
from server.syntax import NameUse, parameters

_TYPE_NAMES = re.compile(r"[^\W\d]\w*")
_WRAPPERS_TEXT = """
    Arc Array Box Dict Iterable List Map Mutex None Option Optional Promise Rc Ref Result RwLock Sequence Set String
    Union Vec bool const dict dyn float impl int list mut set str string tuple
"""
_WRAPPERS = frozenset(_WRAPPERS_TEXT.split())
_MAX_OCCURRENCES = 40
_GO_RECEIVER = re.compile(r"func\s*\(\s*(\w+)\s+\*?(\w+)")
_DECLARED_AFTER = re.compile(r"\s*:\s*(?:&\s*)?(?:mut\s+)?\*?([A-Z]\w*)")
_ASSIGNED = re.compile(
    r"\s*(?::[^=\n]{0,60})?:?=\s*(?:await\s+|new\s+|&)*(?:\w+(?:\.|::))*?(?:New)?([A-Z]\w*)\s*(?:\(|\{|::|<|\.)"
)
_DECLARED_BEFORE = re.compile(r"(?<![\w$.])([A-Z]\w*)(?:<[^>\n]*>)?\s*[*&]?\s+$")


def enclosing_symbols(parsed: ParsedFile, line: int) -> list[Symbol]:
    """Definitions around ``line``, outermost first."""
    around = [symbol for symbol in parsed.symbols if symbol.start_line <= line <= symbol.end_line]
    return sorted(around, key=lambda symbol: (symbol.start_line, -symbol.end_line))


def receiver_types(use: NameUse, text: str, language: str, parsed: ParsedFile) -> frozenset[str]:
    """Names of types that the receiver of the member ``use`` may have; empty when nothing tells."""
    receiver = use.qualifier
    if not receiver or not use.shape.is_member:
        return frozenset()
    if receiver[0].isupper():
        return frozenset({receiver})
    around = enclosing_symbols(parsed, use.line)
    for symbol in reversed(around):
        for parameter in parameters(symbol.signature, symbol.name, language):
            if parameter.name == receiver and parameter.type:
                return frozenset(_TYPE_NAMES.findall(parameter.type)) - _WRAPPERS
        # A Go method names its receiver before its own name: func (s *Server) Stop().
        named = _GO_RECEIVER.match(symbol.signature)
        if named and named.group(1) == receiver:
            return frozenset({named.group(2)})
    return _constructed(receiver, text)


def _constructed(receiver: str, text: str) -> frozenset[str]:
    """Types that ``receiver`` is declared with or constructed from anywhere in ``text``."""
    found: set[str] = set()
    for start in occurrences(text, receiver, _MAX_OCCURRENCES):
        end = start + len(receiver)
        after = _DECLARED_AFTER.match(text, end) or _ASSIGNED.match(text, end)
        if after:
            found.add(after.group(1))
        before = _DECLARED_BEFORE.search(text, max(0, start - 60), start)
        if before and text[end : end + 1] in {" ", "=", ";", ",", ")"}:
            found.add(before.group(1))
    return frozenset(found) - _WRAPPERS


def occurrences(text: str, word: str, limit: int) -> Iterator[int]:
    """Yield where ``word`` stands by itself in ``text``, at most ``limit`` places."""
    at = text.find(word)
    while at >= 0 and limit > 0:
        end = at + len(word)
        if not _is_word(text[at - 1 : at]) and not _is_word(text[end : end + 1]):
            limit -= 1
            yield at
        at = text.find(word, end)


def _is_word(character: str) -> bool:
    return character.isalnum() or character in {"_", "$"}
