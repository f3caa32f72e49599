"""Where code uses a name: real uses, not imports, comments, strings or other definitions of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from indexer.types import Hit
from server.syntax import UseShape, lex, name_uses

PROSE = frozenset({"markdown", "text", "restructuredtext", "plaintext", "asciidoc"})
"""Languages whose text mentions names and does not use them."""
_IMPORTING = ("import ", "from ", "use ", "using ", "require", "#include", "export {", "pub use ")


@dataclass(frozen=True, slots=True)
class UsePlace:
    """One line that uses a name; ``inside`` is the definition it stands in, ``text`` the line without its margin."""

    repository: str
    path: str
    line: int
    commit: str
    inside: str
    text: str
    qualifier: str = ""
    """What stands before the dot."""


def use_lines(text: str, language: str, name: str, *, first_line: int = 1) -> Iterator[tuple[int, str, str]]:
    """Yield ``(line number, line, qualifier)`` of each line in ``text`` that uses ``name``, once a line."""
    lines = text.split("\n")
    seen = 0
    importing_until = 0
    for use in name_uses(lex(text, language)):
        if use.name != name or use.line <= seen or use.shape is UseShape.DEFINITION:
            continue
        line = lines[use.line - 1].strip()
        if line.startswith(_IMPORTING):
            # A list of imported names may go on for some lines.
            importing_until = use.line
            continue
        if line.rstrip(",").replace(" ", "").isidentifier() and (line.endswith(",") or use.line <= importing_until + 1):
            importing_until = use.line
            continue
        seen = use.line
        yield first_line + use.line - 1, line, use.qualifier


def uses_in(hit: Hit, name: str) -> Iterator[UsePlace]:
    """Uses of ``name`` in an indexed chunk; none in prose nor in another definition of the same name."""
    if hit.language in PROSE:
        return
    inside = f"{hit.scope}.{hit.symbol}" if hit.scope and hit.symbol else hit.symbol
    for number, line, qualifier in use_lines(hit.text, hit.language, name, first_line=hit.start_line):
        yield UsePlace(hit.repository, hit.path, number, hit.commit, inside, line, qualifier)
