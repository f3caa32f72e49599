"""Of which type the thing before the dot probably is: declared, constructed, or the type itself."""

from __future__ import annotations

import re

from indexer.types import ParsedFile, Symbol
from server.syntax import NameUse, parameters

_TYPE_NAMES = re.compile(r"[^\W\d]\w*")
_WRAPPERS_TEXT = """
    Arc Array Box Dict Iterable List Map Mutex None Option Optional Promise Rc Ref Result RwLock Sequence Set String
    Union Vec bool const dict dyn float impl int list mut set str string tuple
"""
_WRAPPERS = frozenset(_WRAPPERS_TEXT.split())
_MAX_TEXT = 200_000


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
        named = re.match(rf"func\s*\(\s*{re.escape(receiver)}\s+\*?(\w+)", symbol.signature)
        if named:
            return frozenset({named.group(1)})
    return _constructed(receiver, text, around)


def _constructed(receiver: str, text: str, around: list[Symbol]) -> frozenset[str]:
    if len(text) > _MAX_TEXT:
        return frozenset()
    name = re.escape(receiver)
    patterns = (
        rf"(?<![\w$]){name}\s*:\s*(?:&\s*)?(?:mut\s+)?\*?([A-Z]\w*)",
        rf"(?<![\w$]){name}\s*(?::[^=\n]*)?:?=\s*(?:await\s+|new\s+|&)*(?:\w+(?:\.|::))*?(?:New)?([A-Z]\w*)\s*(?:\(|\{{|::|<|\.)",
        rf"(?<![\w$.])([A-Z]\w*)(?:<[^>\n]*>)?\s*[*&]?\s+{name}\s*[=;,)]",
    )
    found: set[str] = set()
    for pattern in patterns:
        found.update(match.group(1) for match in re.finditer(pattern, text))
    return frozenset(found) - _WRAPPERS
