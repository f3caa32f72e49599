"""Pieces of code that may become snippets, and how they are cut to a useful size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from indexer.api import Index
from indexer.types import Symbol, SymbolKind
from server.context.resolution import Definition
from server.types import Snippet, SnippetReason

_FILES_REMEMBERED = 256
_MAX_LINES = 40
_CONTAINERS = frozenset(
    {SymbolKind.CLASS, SymbolKind.STRUCT, SymbolKind.INTERFACE, SymbolKind.ENUM, SymbolKind.TRAIT, SymbolKind.MODULE}
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece of code with the weight that one source gives it (0.0 to 1.0)."""

    repository: str
    path: str
    commit: str
    language: str
    start_line: int
    end_line: int
    text: str
    weight: float
    reason: SnippetReason
    symbol: str = ""

    def snippet(self, score: float) -> Snippet:
        """The snippet that this candidate becomes."""
        return Snippet(
            self.repository, self.path, self.commit, self.start_line, self.end_line, self.language, self.text, score,
            self.reason, self.symbol,
        )  # fmt: skip


class DefinitionReader:
    """Cuts the text of definitions out of indexed and open files; safe to use from several threads."""

    def __init__(self, index: Index | None) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._lines: OrderedDict[tuple[str, str, str, str], list[str]] = OrderedDict()
        self._symbols: OrderedDict[tuple[str, str, str, str], list[Symbol]] = OrderedDict()

    def candidate(self, definition: Definition, weight: float, reason: SnippetReason) -> Candidate | None:
        """The lines of ``definition``; of a long class its head and its members' heads. None when the text is gone."""
        lines = self._file_lines(definition)
        symbol = definition.symbol
        if not lines or symbol.end_line > len(lines):
            return None
        end = symbol.end_line
        kept = list(range(symbol.start_line, end + 1))
        if len(kept) > _MAX_LINES:
            kept = self._outline(definition) if symbol.kind in _CONTAINERS else kept[:_MAX_LINES]
            end = kept[-1]
        text = "\n".join(lines[number - 1] for number in kept if number <= len(lines))
        return Candidate(
            definition.repository, definition.path, definition.commit, definition.language, symbol.start_line, end,
            text, weight, reason, definition.qualified_name,
        )  # fmt: skip

    def _outline(self, definition: Definition) -> list[int]:
        """Lines of a long class that tell most: its first ones and the first of each member."""
        outer = definition.symbol
        inside = [
            symbol
            for symbol in self._file_symbols(definition)
            if outer.start_line < symbol.start_line <= outer.end_line and symbol.scope.endswith(outer.name)
        ]
        head_end = min(outer.start_line + 11, inside[0].start_line - 1 if inside else outer.end_line)
        kept = set(range(outer.start_line, max(head_end, outer.start_line) + 1))
        for symbol in inside:
            if len(kept) >= _MAX_LINES:
                break
            kept.add(symbol.start_line)
        if not inside:
            kept |= set(range(outer.start_line, outer.start_line + _MAX_LINES))
        return sorted(kept)[:_MAX_LINES]

    def _file_lines(self, definition: Definition) -> list[str]:
        if definition.text is not None:
            return definition.text.split("\n")
        if self._index is None:
            return []
        key = (definition.repository, definition.ref, definition.commit, definition.path)
        with self._lock:
            known = self._lines.get(key)
            if known is not None:
                self._lines.move_to_end(key)
                return known
        text = self._index.file_text(definition.repository, definition.ref, definition.path)
        lines = text.split("\n") if text is not None else []
        with self._lock:
            self._lines[key] = lines
            if len(self._lines) > _FILES_REMEMBERED:
                self._lines.popitem(last=False)
        return lines

    def _file_symbols(self, definition: Definition) -> list[Symbol]:
        if self._index is None or definition.text is not None:
            return []
        key = (definition.repository, definition.ref, definition.commit, definition.path)
        with self._lock:
            known = self._symbols.get(key)
            if known is not None:
                self._symbols.move_to_end(key)
                return known
        symbols = sorted(
            self._index.symbols_of(definition.repository, definition.ref, definition.path),
            key=lambda symbol: symbol.start_line,
        )
        with self._lock:
            self._symbols[key] = symbols
            if len(self._symbols) > _FILES_REMEMBERED:
                self._symbols.popitem(last=False)
        return symbols
