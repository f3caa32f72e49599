"""Whether what was gathered for an earlier key serves the next one, told in microseconds.

Snippets explain names. While the lines being typed use only names that were looked up already, and neither what may be
read nor another open file has changed, a new choice could differ only in what the cursor's distance and the latest
pushes make of it; that is worth a look in the background, and not worth a user's wait.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from indexer.types import Scope
from server.context.surroundings import LINES_ABOVE, LINES_BELOW
from server.context.values import GatheredContext
from server.syntax import keywords
from server.types import CompletionRequest, OpenFile

_NAMES = re.compile(r"[^\W\d]\w*")
_MAX_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class Basis:
    """What a context rests on besides the text around the cursor."""

    generation: int
    language: str
    ref: str
    scope: Scope
    open_files: tuple[OpenFile, ...]

    @classmethod
    def of(cls, request: CompletionRequest, generation: int) -> Basis:
        """Take it from a request, with the generation of the index."""
        return cls(generation, request.language, request.ref, request.scope, request.open_files)

    def reads_as(self, other: Basis) -> bool:
        """Whether the index is read with the same permissions; it and the open files may have changed."""
        own, others = self.scope, other.scope
        return (self.ref, own.repositories, own.ref) == (other.ref, others.repositories, others.ref)

    def serves(self, other: Basis) -> bool:
        """Whether only the index may have changed."""
        return replace(self, generation=other.generation) == other


@dataclass(frozen=True, slots=True)
class Standing:
    """A context, and what it was made for.

    Attributes:
        context: What was gathered.
        basis: What it rests on.
        line: The cursor's line then, from 0.
        names: Names that were looked up, and those that nothing defines.
        whole: Whether the search had its say.
    """

    context: GatheredContext
    basis: Basis
    line: int
    names: frozenset[str]
    whole: bool

    def is_newest(self, request: CompletionRequest, basis: Basis) -> bool:
        """Whether a new choice could be no better for a cursor that it serves."""
        return self.whole and self.basis == basis and self.line == line_of(request)

    def missing(self, request: CompletionRequest) -> frozenset[str]:
        """Return the names in the lines being typed that were not looked up."""
        return names_typed(request) - self.names


def line_of(request: CompletionRequest) -> int:
    """Return the cursor's line, from 0."""
    return request.prefix.count("\n")


def names_typed(request: CompletionRequest) -> frozenset[str]:
    """Return the names in the cursor's line and the one above, without the word that is being typed."""
    return _names_before(request.prefix, 1) - keywords(request.language)


def names_around(request: CompletionRequest) -> frozenset[str]:
    """Return the names near the cursor, without the word that is being typed."""
    suffix = request.suffix
    end = 0
    for _ in range(LINES_BELOW):
        end = suffix.find("\n", end, _MAX_CHARACTERS) + 1
        if not end:
            end = min(len(suffix), _MAX_CHARACTERS)
            break
    return _names_before(request.prefix, LINES_ABOVE) | frozenset(_NAMES.findall(suffix, 0, end))


def _names_before(prefix: str, lines_above: int) -> frozenset[str]:
    end = len(prefix)
    least = max(0, end - _MAX_CHARACTERS)
    while end > least and (prefix[end - 1].isalnum() or prefix[end - 1] == "_"):
        end -= 1
    start = end
    for _ in range(lines_above + 1):
        start = prefix.rfind("\n", least, start)
        if start < 0:
            # A name that the limit cuts in two is looked up once more than needed.
            start = least
            break
    return frozenset(_NAMES.findall(prefix, start, end))
