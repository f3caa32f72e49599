"""Parsers and queries of tree-sitter, made once a thread and language, and bounded in time."""

from __future__ import annotations

import functools
import importlib
import threading
import time
from importlib import resources

import numpy as np
from tree_sitter import Language, Parser, Query, Tree

from indexer.parse.languages import LanguageSpec, language_spec
from indexer.parse.reading import reader

PARSE_SECONDS = 5.0
"""A parse that takes longer is given up: the file is then cut as plain text."""

MAX_NESTING = 1_000
"""Brackets open at once; time to query a tree grows with the square of its depth, and nobody writes such code."""

_WATCHED_BYTES = 8_192
"""Smaller sources cannot take long; larger ones are parsed with a callback that watches the clock."""

_BRACKETS = np.zeros(256, np.int8)
_BRACKETS[list(b"([{")] = 1
_BRACKETS[list(b")]}")] = -1

_local = threading.local()


def parse(source: bytes, language: str, *, seconds: float = PARSE_SECONDS) -> Tree | None:
    """Parse UTF-8 ``source``; None for a language without a grammar, for absurd nesting, or when time ran out.

    Sources with syntax errors give a tree in which the broken parts are ERROR nodes.
    """
    spec = language_spec(language)
    if spec is None or not spec.grammar or _nesting(source) > MAX_NESTING:
        return None
    parser = _parser(spec)
    if len(source) <= _WATCHED_BYTES:
        return parser.parse(source)
    deadline = time.monotonic() + seconds

    def out_of_time(_offset: int, _has_error: bool) -> bool:
        return time.monotonic() > deadline

    try:
        return parser.parse(reader(source), progress_callback=out_of_time)
    except ValueError:
        # The only failure that a parse with a language can have is the callback's stop.
        parser.reset()
        return None


def parser_of(language: str) -> Parser | None:
    """Return this thread's parser of ``language``, or None when it has no grammar."""
    spec = language_spec(language)
    return None if spec is None or not spec.grammar else _parser(spec)


@functools.cache
def query(language: str) -> Query | None:
    """Return the compiled queries of ``language``, or None when it has no grammar."""
    spec = language_spec(language)
    if spec is None or not spec.grammar:
        return None
    folder = resources.files("indexer.parse").joinpath("queries")
    source = "\n".join(folder.joinpath(f"{name}.scm").read_text(encoding="utf-8") for name in spec.queries)
    return Query(_language(spec), source)


@functools.cache
def _language(spec: LanguageSpec) -> Language:
    module = importlib.import_module(spec.grammar)
    return Language(getattr(module, spec.function)())


def _nesting(source: bytes) -> int:
    """Return the greatest number of brackets that are open at once, strings and comments not told apart."""
    steps = _BRACKETS[np.frombuffer(source, np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def _parser(spec: LanguageSpec) -> Parser:
    # A Parser must not be used by two threads at once.
    parsers: dict[str, Parser] = _local.__dict__.setdefault("parsers", {})
    if spec.name not in parsers:
        parsers[spec.name] = Parser(_language(spec))
    return parsers[spec.name]
