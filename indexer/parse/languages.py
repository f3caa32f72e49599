"""Which language a file is written in, and which grammar reads it: data from ``languages.toml``."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

PLAIN = "text"
"""Language of text that nothing more is known about."""

_CPP_HEADER = re.compile(
    rb"^\s*(?:class\s+\w+\s*[:{]|namespace\s+\w*\s*\{?|template\s*<|using\s+\w+|(?:public|private|protected)\s*:)|\bstd::"
    rb"|^\s*#\s*include\s*<\w+>",
    re.MULTILINE,
)
_MODE_LINE = re.compile(rb"-\*-.*?(?:mode:\s*)?([A-Za-z+#]+)\s*(?:;.*)?-\*-")


@dataclass(frozen=True, slots=True)
class LanguageSpec:
    """One table of ``languages.toml``. ``grammar`` is empty for languages that are recognised but not parsed."""

    name: str
    grammar: str
    function: str
    queries: tuple[str, ...]
    extensions: tuple[str, ...]
    names: tuple[str, ...]
    interpreters: tuple[str, ...]


def detect_language(path: str, head: bytes = b"") -> str:
    """Name the language of a file.

    Args:
        path: Path in the repository, separated by ``/``.
        head: The first bytes of the file (a kilobyte or more is plenty); decides scripts without an extension and
            tells C++ headers from C ones.

    Returns:
        A key of ``languages.toml``; :data:`PLAIN` when nothing fits.
    """
    name = PurePosixPath(path).name
    tables = _tables()
    if (language := tables.names.get(name)) is not None:
        return language
    lowered = name.lower()
    for index, character in enumerate(lowered):
        if character == "." and (language := tables.extensions.get(lowered[index:])) is not None:
            if lowered.endswith(".h") and _CPP_HEADER.search(head):
                return "cpp"
            return language
    # Dockerfile.dev, Makefile.common
    if (language := tables.names.get(name.partition(".")[0])) is not None:
        return language
    if head.startswith(b"#!") and (language := _from_shebang(head)) is not None:
        return language
    return PLAIN


def language_spec(language: str) -> LanguageSpec | None:
    """Return the table of ``language``, or None for a name that is not in ``languages.toml``."""
    return _tables().specs.get(language)


def languages() -> tuple[LanguageSpec, ...]:
    """Return every language, in the order of ``languages.toml``."""
    return tuple(_tables().specs.values())


@dataclass(frozen=True, slots=True)
class _Tables:
    specs: dict[str, LanguageSpec]
    extensions: dict[str, str]
    names: dict[str, str]
    interpreters: dict[str, str]


@functools.cache
def _tables() -> _Tables:
    raw = tomllib.loads(resources.files("indexer.parse").joinpath("languages.toml").read_text(encoding="utf-8"))
    tables = _Tables({}, {}, {}, {})
    for name, table in raw.items():
        grammar = table.get("grammar", "")
        spec = LanguageSpec(
            name=name,
            grammar=grammar,
            function=table.get("function", "language"),
            queries=tuple(table.get("queries", [name] if grammar else [])),
            extensions=tuple(table.get("extensions", ())),
            names=tuple(table.get("names", ())),
            interpreters=tuple(table.get("interpreters", ())),
        )
        tables.specs[name] = spec
        tables.extensions.update(dict.fromkeys(spec.extensions, name))
        tables.names.update(dict.fromkeys(spec.names, name))
        tables.interpreters.update(dict.fromkeys(spec.interpreters, name))
    return tables


def _from_shebang(head: bytes) -> str | None:
    line = head.split(b"\n", 1)[0][2:].decode("ascii", "replace").split()
    for word in line:
        program = word.rpartition("/")[2]
        if program == "env" or word.startswith("-") or "=" in word:
            continue
        interpreters = _tables().interpreters
        return interpreters.get(program) or interpreters.get(program.rstrip("0123456789."))
    return None
