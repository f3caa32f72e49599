"""What an editor shows for the name under the pointer."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexer.api import Index
from indexer.types import Scope, SymbolKind
from server.context.receivers import enclosing_symbols
from server.context.resolution import Definition, Origin, Resolver
from server.explain.uses import UsePlace, uses_in
from server.syntax import NameUse, Token, UseShape, bound_names, name_at, parameters
from server.types import OpenFile

_MAX_DOCUMENTATION = 1200
_MAX_SIGNATURE = 600
_PLACES = 3
_REFERENCES_ASKED = 100
_FENCES = {"csharp": "csharp", "cpp": "cpp", "tsx": "tsx", "bash": "bash"}


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
    found = name_at(target.text, target.language, target.line, target.column)
    if found is None:
        return None
    use, tokens = found
    resolver = Resolver(index)
    origin = resolver.origin(
        path=target.path,
        language=target.language,
        text=target.text,
        repository=target.repository,
        ref=target.ref,
        scope=target.scope,
        open_files=target.open_files,
    )
    if _is_local(use, tokens, origin):
        return None
    definitions = [
        definition
        for definition in resolver.resolve(use, origin, own=True, limit=50)
        if definition.symbol.kind is not SymbolKind.HEADING
    ]
    if not definitions:
        return None
    return Hover(
        markdown=_markdown(index, definitions, origin),
        line=use.line,
        start_column=use.column,
        end_column=use.column + len(use.name),
    )


def _is_local(use: NameUse, tokens: list[Token], origin: Origin) -> bool:
    """Whether the name is a variable or parameter of the function around it."""
    if use.shape.is_member or use.shape is UseShape.DEFINITION:
        return False
    around = [
        symbol
        for symbol in enclosing_symbols(origin.parsed, use.line)
        if symbol.kind in {SymbolKind.FUNCTION, SymbolKind.METHOD}
    ]
    if not around or any(symbol.start_line == use.line and symbol.name == use.name for symbol in around):
        return False
    if any(
        parameter.name == use.name
        for symbol in around
        for parameter in parameters(symbol.signature, symbol.name, origin.language)
    ):
        return True
    first, last = around[0].start_line, around[0].end_line
    return use.name in bound_names([token for token in tokens if first <= token.line <= last])


def _markdown(index: Index | None, definitions: list[Definition], origin: Origin) -> str:
    best = definitions[0]
    symbol = best.symbol
    fence = _FENCES.get(best.language, best.language)
    signature = symbol.signature.replace("```", "")[:_MAX_SIGNATURE] or symbol.name
    parts = [f"```{fence}\n{signature}\n```"]
    if symbol.documentation:
        parts.append(_shortened(symbol.documentation.strip()))
    where = f"{best.repository}/{best.path}" if best.repository else best.path
    unsaved = "" if best.commit or not _is_elsewhere(best, origin) else " (open document)"
    line = f"Defined in `{where}:{symbol.start_line}`{unsaved}"
    if symbol.scope:
        line += f", in `{symbol.scope}`"
    others = len(definitions) - 1
    if others:
        line += f", and {others} other definition{'s' if others > 1 else ''}"
    parts.append(line + ".")
    used = _used(index, best, origin)
    if used:
        parts.append(used)
    return "\n\n".join(parts)


def _is_elsewhere(definition: Definition, origin: Origin) -> bool:
    return (definition.repository, definition.path) != (origin.repository, origin.path)


def _used(index: Index | None, definition: Definition, origin: Origin) -> str:
    """How often the name is used in the index, and up to three places."""
    if index is None:
        return ""
    # The document itself counts as it was indexed: hovering is about the code base, not about the last key stroke.
    scope = Scope(origin.scope.repositories, origin.scope.ref, frozenset())
    name = definition.symbol.name
    hits = index.references(name, scope, _REFERENCES_ASKED)
    if not hits:
        return ""
    hits = sorted(hits, key=lambda hit: hit.repository != definition.repository)
    places = {(place.repository, place.path, place.line): place for hit in hits for place in uses_in(hit, name)}
    if not places:
        return ""
    files: dict[tuple[str, str], UsePlace] = {}
    for place in places.values():
        files.setdefault((place.repository, place.path), place)
    count = f"{'at least ' if len(hits) >= _REFERENCES_ASKED else ''}{len(places)}"
    shown = ", ".join(f"`{place.path}:{place.line}`" for place in list(files.values())[:_PLACES])
    noun = "place" if len(places) == 1 else "places"
    return f"Used in {count} {noun} in {len(files)} {'file' if len(files) == 1 else 'files'}: {shown}"


def _shortened(documentation: str) -> str:
    if len(documentation) <= _MAX_DOCUMENTATION:
        return documentation
    cut = documentation[:_MAX_DOCUMENTATION]
    # An opened fence would swallow what follows.
    cut = cut.rsplit("\n", 1)[0] if "\n" in cut else cut
    return cut + ("\n```" if cut.count("```") % 2 else "") + "\n\n…"
