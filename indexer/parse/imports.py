"""Imports as written, brought to one shape: a module, and the name taken from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from indexer.types import Import

_MAX_GROUP_DEPTH = 8
_SEPARATORS = {"java": ".", "kotlin": ".", "rust": "::", "php": "\\"}
"""Languages that import one name by its full path; the last part is the name."""
_ALIAS = re.compile(r"\s+as\s+([\w$]+)")


def expand_import(language: str, module: str, name: str, alias: str, statement: str) -> Iterator[Import]:
    """Yield the imports that one statement makes.

    Args:
        language: Decides how a full path is taken apart.
        module: As written, with its quotes.
        name: The imported name, when the syntax names it apart from the module.
        alias: The local name, when it differs.
        statement: The whole statement, which shows wildcards and aliases that the grammar does not.
    """
    module = module.strip().strip("\"'<>`").strip()
    if not module:
        return
    separator = _SEPARATORS.get(language)
    if separator is None or name:
        yield Import(module, name, alias)
        return
    statement = statement.strip().rstrip(";").rstrip()
    if language == "rust":
        yield from _rust(module, "", 0)
        return
    if statement.endswith((".*", "_")):
        yield Import(module, "*")
        return
    if module == alias or statement.endswith(f" as {module}"):
        return
    if not alias and (match := _ALIAS.search(statement)):
        alias = match.group(1)
    parent, found, last = module.rpartition(separator)
    yield Import(parent, last, alias) if found else Import(module, "", alias)


def without_covered(imports: Iterable[Import]) -> tuple[Import, ...]:
    """Drop a bare module where names of the same module are listed too."""
    kept = list(imports)
    named = {item.module for item in kept if item.name or item.alias}
    return tuple(item for item in kept if item.name or item.alias or item.module not in named)


def _rust(text: str, prefix: str, depth: int) -> Iterator[Import]:
    """Expand ``a::{b, c::{d as e}}``."""
    text = text.strip()
    if depth > _MAX_GROUP_DEPTH or not text:
        return
    head, brace, rest = text.partition("{")
    if brace:
        inner = rest[: rest.rfind("}")] if "}" in rest else rest
        base = prefix + head.strip()
        for part in _split_top_level(inner):
            yield from _rust(part, base, depth + 1)
        return
    path, _, alias = text.partition(" as ")
    full = prefix + path.strip()
    parent, found, last = full.rpartition("::")
    if last == "self" and found:
        parent, found, last = parent.rpartition("::")
    yield Import(parent, last, alias.strip()) if found else Import(full, "", alias.strip())


def _split_top_level(text: str) -> Iterator[str]:
    depth = start = 0
    for index, character in enumerate(text):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        elif character == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    yield text[start:]
