"""Which files an import may mean: the module as it is written against the paths of a repository."""

from __future__ import annotations

import functools
import posixpath
import re
import sys
from collections.abc import Iterable

from indexer.types import Import

_SEPARATORS = re.compile(r"::|[/\\.]")
_INDEX_NAMES = frozenset({"__init__", "index", "mod", "lib", "main"})
_SOURCE_ROOTS = frozenset({"src", "lib", "main", "java", "kotlin", "python", "commonMain", "jvmMain", "jvm", "node"})
_EXTENSIONS = re.compile(r"\.(?:d\.)?\w{1,5}$")
_VERSION = re.compile(r"v\d+$")
_DIRECTORY_IS_MODULE = frozenset({"go", "java", "kotlin", "csharp", "php", "scala"})
_BESIDE_FIRST = frozenset({"javascript", "typescript", "tsx", "jsx", "vue", "svelte", "css"})

CERTAIN = 0.85
"""A match from which on the import can be said to mean that file."""
POSSIBLE = 0.3
"""A match below which a definition there is not what was imported."""


def local_names(imports: Iterable[Import], language: str) -> dict[str, Import]:
    """Map each name that ``imports`` bring into the file to its import."""
    names: dict[str, Import] = {}
    for item in imports:
        name = item.alias or item.name
        if not name:
            parts = [part for part in _SEPARATORS.split(item.module) if part]
            if language == "go" and len(parts) > 1 and _VERSION.fullmatch(parts[-1]):
                parts.pop()
            name = (parts[0] if language == "python" else parts[-1]) if parts else ""
        if name and name != "*":
            names[name] = item
    return names


def module_match(item: Import, importer: str, language: str, path: str, repository: str = "") -> float:
    """How well ``path`` of ``repository`` fits what ``importer`` imports by ``item``, 0.0 (not at all) to 1.0.

    Paths are relative to one repository and use slashes. Below 1.0 stand re-exports by a package (0.6) and modules of
    which only a part of the name is found (up to 0.5).
    """
    wanted, anchored = _module_parts(item.module, importer, language)
    have = _path_parts(path)
    if language == "rust":
        have = [part.replace("-", "_") for part in have]
        wanted = [part.replace("-", "_") for part in wanted]
    if language == "go" and len(have) == 1:
        # A package at the repository's root is imported by the repository's own name.
        named = [part for part in wanted if not _VERSION.fullmatch(part)]
        return 0.95 if named and named[-1] == repository.rpartition("/")[2] else 0.0
    # `import a.b.Name` names the file Name of package a.b; in Python `from a import module` does the same.
    spellings = [wanted, [*wanted, item.name]] if item.name and language != "go" else [wanted]
    spellings = [spelling for spelling in spellings if spelling]
    if not have or not spellings:
        return 0.0
    if anchored:
        return max(_anchored_match(spelling, have) for spelling in spellings)
    have = [part for part in have if part not in _SOURCE_ROOTS] or have
    if language == "python" and wanted[0] in sys.stdlib_module_names and have[0] != wanted[0]:
        # `import json` means the standard library's, not the `json` of some package in the repository.
        return 0.9 if have[-1] == wanted[0] and _beside(path, importer) and len(wanted) == 1 else 0.0
    directory_is_module = language in _DIRECTORY_IS_MODULE
    return max(
        _floating_match(
            [part for part in spelling if part not in _SOURCE_ROOTS] or spelling,
            have,
            directory_is_module=directory_is_module and spelling is wanted,
        )
        for spelling in spellings
    )


def _beside(path: str, importer: str) -> bool:
    """Whether both are scripts of one directory at the top, where a module may hide one of the standard library."""
    directory = posixpath.dirname(path)
    return directory == posixpath.dirname(importer) and "/" not in directory


@functools.lru_cache(maxsize=4096)
def module_words(item: Import, importer: str, language: str) -> frozenset[str]:
    """Parts of the module's name: a path that has none of them cannot match."""
    parts, _ = _module_parts(item.module, importer, language)
    return frozenset((*parts, *(part.replace("_", "-") for part in parts), item.name))


def path_words(path: str) -> frozenset[str]:
    """Parts of ``path`` without its extension, to compare with :func:`module_words`."""
    return frozenset(_path_parts(path))


def is_within_repository(item: Import) -> bool:
    """Whether ``item`` surely names something of the same repository: relative, or by an alias that it configures."""
    return item.module.startswith((".", "~", "#", "@/", "crate", "super", "self"))


def _floating_match(wanted: list[str], have: list[str], *, directory_is_module: bool) -> float:
    """Match of a module whose name may start anywhere above or inside of the repository."""
    common = _common_suffix(wanted, have)
    if common == len(wanted):
        return 1.0
    matches = [0.5 * common / len(wanted)]
    if common == len(have) and common > 1:
        matches.append(0.95)
    if directory_is_module and len(have) > 1:
        matches.append(_directory_match(wanted, have[:-1]))
    if len(wanted) > 1 and _common_suffix(wanted[:-1], have) == len(wanted) - 1:
        matches.append(0.85)
    if _contains(have, wanted):
        matches.append(0.6)
    return max(matches)


def _directory_match(wanted: list[str], directory: list[str]) -> float:
    """Match of a module that is a directory, or a name in one."""
    common = _common_suffix(wanted, directory)
    if common in {len(wanted), len(directory)}:
        return 0.95
    if len(wanted) > 1 and _common_suffix(wanted[:-1], directory) == len(wanted) - 1:
        return 0.85
    return 0.6 if common > 1 else 0.0


def _anchored_match(wanted: list[str], have: list[str]) -> float:
    """Match of a module whose name starts at the root of the repository."""
    if have == wanted:
        return 1.0
    # `from . import name` and `use super::name` may mean a file of the directory or the directory itself.
    if have == wanted[:-1]:
        return 0.85
    return 0.6 if have[: len(wanted)] == wanted else 0.0


@functools.lru_cache(maxsize=4096)
def _module_parts(module: str, importer: str, language: str) -> tuple[list[str], bool]:
    """Parts of the module's name, and whether they start at the root of the repository (relative imports do)."""
    directory = posixpath.dirname(importer)
    if language == "python" and module.startswith("."):
        dots = len(module) - len(module.lstrip("."))
        base = [part for part in directory.split("/") if part]
        base = base[: len(base) - (dots - 1)] if dots > 1 else base
        return [*base, *[part for part in module[dots:].split(".") if part]], True
    if language == "rust":
        return _rust_parts(module, importer)
    if module.startswith("."):
        return _path_parts(posixpath.normpath(posixpath.join(directory, module))), True
    if language in {"c", "cpp", "ruby", "bash", "thrift", "proto"}:
        return _path_parts(module), False
    if language in _BESIDE_FIRST:
        # The scope of a package (`@company/button`) is no directory of its repository.
        bare = re.sub(r"^@[^/]+/(?=[^/])|^[~#]/?", "", module)
        return [part for part in bare.split("/") if part], False
    return [part for part in _SEPARATORS.split(module) if part and part != "*"], False


def _rust_parts(module: str, importer: str) -> tuple[list[str], bool]:
    parts = [part for part in module.split("::") if part and part != "*"]
    own = _path_parts(importer)
    if parts and parts[0] == "crate":
        root = importer.split("/src/", maxsplit=1)[0] if "/src/" in importer else ""
        base = [part for part in root.split("/") if part]
        return [*base, "src", *parts[1:]], True
    if parts and parts[0] in {"super", "self"}:
        base = own
        for part in parts:
            if part == "super":
                base = base[:-1]
        return [*base, *[part for part in parts if part not in {"super", "self"}]], True
    return parts, False


@functools.lru_cache(maxsize=16384)
def _path_parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if not parts:
        return []
    stem = _EXTENSIONS.sub("", parts[-1])
    if stem in _INDEX_NAMES and len(parts) > 1:
        return parts[:-1]
    return [*parts[:-1], stem]


def _common_suffix(left: list[str], right: list[str]) -> int:
    length = 0
    while length < min(len(left), len(right)) and left[-1 - length] == right[-1 - length]:
        length += 1
    return length


def _contains(have: list[str], wanted: list[str]) -> bool:
    """Whether ``wanted`` stands as a whole inside ``have``."""
    return any(have[start : start + len(wanted)] == wanted for start in range(len(have) - len(wanted) + 1))
