"""Cuts packages into definitions with their documentation: the raw material of training pairs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.embedder.packages import Package, SourceFile
from indexer.parse import Definition, outline, parse
from indexer.types import SymbolKind

_KINDS = frozenset(
    {
        SymbolKind.FUNCTION,
        SymbolKind.METHOD,
        SymbolKind.CLASS,
        SymbolKind.STRUCT,
        SymbolKind.INTERFACE,
        SymbolKind.TRAIT,
        SymbolKind.ENUM,
    }
)
_CALLABLE = frozenset({SymbolKind.FUNCTION, SymbolKind.METHOD})
_MAX_LINES = 60
_MAX_CHARACTERS = 3_000
_MAX_DOCUMENTATION = 600
_CONTEXT_LINES = 15
_MAX_CONTEXTS = 3
_CALL = re.compile(r"([A-Za-z_]\w{3,})\s*(?:::<[^>]*>)?\(")
_COMMENT_MARKERS = re.compile(r"^[\s/*#!;\"'-]+|[\s*/\"']+$")


@dataclass(frozen=True, slots=True)
class DefinitionRecord:
    """One definition of a package.

    ``code`` is its text without the documentation; ``contexts`` are the lines of other files before a call of it.
    """

    package: int
    language: str
    name: str
    scope: str
    documentation: str
    code: str
    contexts: tuple[str, ...] = ()


def package_definitions(package: Package, number: int) -> list[DefinitionRecord]:
    """Return the definitions of a package that are long enough to say something."""
    found = [item for file in package.files for item in _file_definitions(file)]
    contexts = _contexts(found)
    return [
        DefinitionRecord(
            package=number,
            language=file.language,
            name=definition.symbol.name,
            scope=definition.symbol.scope,
            documentation=documentation,
            code=code,
            contexts=tuple(contexts.get(at, ())),
        )
        for at, (file, definition, documentation, code) in enumerate(found)
    ]


def first_sentence(documentation: str) -> str:
    """Return the first sentence of a documentation, on one line."""
    paragraph = " ".join(documentation.split("\n\n", 1)[0].split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z@])|\s@\w+", paragraph, maxsplit=1)[0]


_Item = tuple[SourceFile, Definition, str, str]


def _file_definitions(file: SourceFile) -> Iterator[_Item]:
    tree = parse(file.data, file.language)
    if tree is None:
        return
    lines = file.data.decode("utf-8", "replace").split("\n")
    for definition in outline(tree, file.data, file.language).definitions:
        symbol = definition.symbol
        if symbol.kind not in _KINDS:
            continue
        documentation = symbol.documentation[:_MAX_DOCUMENTATION]
        body = lines[definition.outer_row : min(definition.last_row + 1, definition.outer_row + _MAX_LINES + 30)]
        kept = list(_without_documentation(body, documentation)) if documentation else body
        if len(kept) >= (3 if symbol.kind in _CALLABLE else 2):
            yield file, definition, documentation, "\n".join(kept[:_MAX_LINES])[:_MAX_CHARACTERS]


def _without_documentation(lines: Iterable[str], documentation: str) -> Iterator[str]:
    told = {_COMMENT_MARKERS.sub("", line) for line in documentation.split("\n")}
    for line in lines:
        bare = _COMMENT_MARKERS.sub("", line)
        if bare and bare not in told:
            yield line


def _contexts(found: list[_Item]) -> dict[int, list[str]]:
    """Find, for each callable whose name is unique in its package, lines before a call of it in another file."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for at, (_, definition, _, _) in enumerate(found):
        if definition.symbol.kind in _CALLABLE:
            by_name[definition.symbol.name].append(at)
    contexts: dict[int, list[str]] = defaultdict(list)
    seen_paths: set[str] = set()
    for file, _, _, _ in found:
        if file.path in seen_paths:
            continue
        seen_paths.add(file.path)
        lines = file.data.decode("utf-8", "replace").split("\n")
        for row, line in enumerate(lines):
            for name in _CALL.findall(line):
                targets = by_name.get(name, ())
                if len(targets) == 1 and row >= 4 and len(contexts[targets[0]]) < _MAX_CONTEXTS:
                    target = found[targets[0]][0]
                    if target.path != file.path:
                        contexts[targets[0]].append("\n".join(lines[max(0, row - _CONTEXT_LINES) : row]))
                    break
    return contexts
