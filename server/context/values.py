"""What goes into gathering context and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from server.types import Snippet


@dataclass(frozen=True, slots=True)
class RecentEdit:
    """A place the user changed a moment ago, as its document stands now.

    ``text`` holds whole lines from ``start_line`` (1-based) on; ``path`` is relative to ``repository``, or absolute
    when the document is in none. The newest edit comes first wherever several are passed.
    """

    path: str
    language: str
    start_line: int
    text: str
    repository: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A snippet that was found and left out, and why."""

    repository: str
    path: str
    reason: str
    """One of ``"budget"``, ``"per-file limit"``, ``"duplicate"``, ``"weak"``, ``"kept back"`` (not worth changing the
    prompt for)."""
    start_line: int = 0
    end_line: int = 0
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class GatheredContext:
    """The snippets for one completion.

    Attributes:
        snippets: Within the budget, in an order that changes as little as possible from one call to the next for the
            same document; each carries its score, so that a caller with less room drops the lowest.
        dropped: What was left out, best first.
        stages: Milliseconds spent in each stage; ``"search-late"`` marks a search that did not come back in time.
    """

    snippets: tuple[Snippet, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    stages: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
