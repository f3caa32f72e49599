"""What is asked of the explainer and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexer.types import Scope
from server.types import Caller, Citation, OpenFile


@dataclass(frozen=True, slots=True)
class ExplainTarget:
    """A selection in a document, or a line whose definition is meant.

    Attributes:
        path: Relative to ``repository``, or absolute outside of one.
        text: The whole document as the editor has it.
        start_line: First selected line, 1-based.
        end_line: Last selected line, inclusive. With ``whole_symbol`` the definition around ``start_line`` is meant.
        whole_symbol: The selection is empty: explain the definition around it, not the one line.
        scope: What may be read; the document itself need not be excluded.
        open_files: Other open documents, whose unsaved text wins over the index.
        question: What the user asks about the code; empty for "explain".
        caller: On whose behalf.
    """

    path: str
    language: str
    text: str
    start_line: int
    end_line: int
    whole_symbol: bool = False
    repository: str = ""
    ref: str = ""
    scope: Scope = field(default_factory=Scope)
    open_files: tuple[OpenFile, ...] = ()
    question: str = ""
    caller: Caller = field(default_factory=Caller)


@dataclass(frozen=True, slots=True)
class NumberedCitation:
    """A citation and the number that ``[n]`` in the text refers to."""

    number: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explanation. Every ``[n]`` in ``markdown`` has its entry in ``citations``, and the reverse."""

    markdown: str
    citations: tuple[NumberedCitation, ...]
    engine: str
    """The engine that wrote it."""
    ended_early: str = ""
    """Why it is not all that was to be said, as a sentence for people; empty when it is."""
