"""What an editor shows for the name under the pointer."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexer.api import Index
from indexer.types import Scope
from server.types import OpenFile


@dataclass(frozen=True, slots=True)
class HoverTarget:
    """A place in an open document. ``line`` is 1-based, ``column`` 0-based in characters of Python text."""

    path: str
    language: str
    text: str
    line: int
    column: int
    repository: str = ""
    ref: str = ""
    scope: Scope = field(default_factory=Scope)
    open_files: tuple[OpenFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown for the name at ``start_column`` (inclusive) to ``end_column`` (exclusive) of ``line``."""

    markdown: str
    line: int
    start_column: int
    end_column: int


def hover_at(index: Index | None, target: HoverTarget) -> Hover | None:
    """Describe the definition of the name at ``target``.

    None for keywords, locals, strings, comments and names that nothing defines. Reads the index: call it off the event
    loop.
    """
    return None
