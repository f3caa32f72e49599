"""What a file defines and imports, read from its syntax tree with the language's queries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tree_sitter import Node, QueryCursor, Tree

from indexer.parse.documentation import clean_comment, clean_docstring
from indexer.parse.grammar import query
from indexer.parse.imports import expand_import, without_covered
from indexer.types import Import, Symbol, SymbolKind

MAX_SIGNATURE = 300
"""Characters of a signature."""
MAX_NAME = 200
MAX_DEFINITIONS = 20_000
"""Definitions kept of one file; a file with more is data in the shape of code."""
_MATCH_LIMIT = 65_536
_MAX_QUERY_DEPTH = 200
"""Nodes around a definition; nothing is looked for deeper, which keeps nested brackets from costing seconds."""

_TYPES = frozenset(
    {SymbolKind.CLASS, SymbolKind.STRUCT, SymbolKind.INTERFACE, SymbolKind.ENUM, SymbolKind.TRAIT, SymbolKind.MODULE}
)
_CALLABLES = frozenset({SymbolKind.FUNCTION, SymbolKind.METHOD})
_ONE_LINERS = frozenset({SymbolKind.VARIABLE, SymbolKind.CONSTANT, SymbolKind.FIELD, SymbolKind.TYPE, SymbolKind.MACRO})
_LOCAL_NOISE = frozenset({SymbolKind.VARIABLE, SymbolKind.CONSTANT, SymbolKind.FIELD})
_DECLARATION_WORDS = re.compile(rb"[\w\s]*\Z")
_NAME = re.compile(r"[^\W\d][\w$]*|[$_][\w$]*")


@dataclass(frozen=True, slots=True)
class Definition:
    """A symbol and the rows it takes up, 0-based and inclusive.

    ``outer_row`` is where its decorators and doc comments start; ``body_row`` the first row of its body, or -1.
    """

    symbol: Symbol
    outer_row: int
    last_row: int
    body_row: int = -1


@dataclass(frozen=True, slots=True)
class Outline:
    """Definitions (by position, outer before inner), imports, and what stands directly above each row.

    ``attached`` maps the last row of a comment, decorator or attribute that fills its rows to its first row.
    """

    definitions: tuple[Definition, ...] = ()
    imports: tuple[Import, ...] = ()
    attached: dict[int, int] = field(default_factory=dict)

    def outer_row(self, row: int) -> int:
        """Return the first row of the comments and decorators that stand directly above ``row``."""
        while (above := self.attached.get(row - 1)) is not None and above < row:
            row = above
        return row


def outline(tree: Tree, source: bytes, language: str) -> Outline:
    """List definitions and imports of a parsed file."""
    compiled = query(language)
    if compiled is None:
        return Outline()
    # No progress callback here: with one, matches() of tree-sitter 0.26.1 crashes. The limits on matches, depth and
    # the size of a file bound the time instead.
    cursor = QueryCursor(compiled, match_limit=_MATCH_LIMIT)
    cursor.set_max_start_depth(_MAX_QUERY_DEPTH)
    matches = cursor.matches(tree.root_node)
    found: dict[tuple[int, int], _Found] = {}
    imports: dict[Import, None] = {}
    attached: dict[int, int] = {}
    comments: dict[int, Node] = {}
    for pattern, captures in matches:
        if "comment" in captures or "leading" in captures:
            for node in captures.get("comment", ()):
                if _fills_rows(node, source):
                    attached[last_row(node)] = node.start_point[0]
                    comments[last_row(node)] = node
            for node in captures.get("leading", ()):
                if _fills_rows(node, source):
                    attached[last_row(node)] = node.start_point[0]
        elif "import" in captures:
            imports.update(dict.fromkeys(_imports(captures, source, language)))
        elif len(found) < MAX_DEFINITIONS and (definition := _find(pattern, captures, source)) is not None:
            known = found.get(definition.key)
            if known is None or (definition.pattern, not definition.doc) < (known.pattern, not known.doc):
                found[definition.key] = definition
    result = Outline((), without_covered(imports), attached)
    ordered = sorted(found.values(), key=lambda item: (item.start, -item.end, item.pattern))
    return Outline(tuple(_place(ordered, source, result, comments)), result.imports, attached)


def last_row(node: Node) -> int:
    """Return the last row that has text of ``node``; some grammars end a node at column 0 of the next row."""
    row, column = node.end_point
    return row - 1 if column == 0 and row > node.start_point[0] else row


@dataclass(frozen=True, slots=True)
class _Found:
    pattern: int
    kind: SymbolKind | None
    """None for a scope that is no symbol of its own."""
    name: str
    owner: str
    start: int
    end: int
    node: Node
    body: Node | None
    doc: Node | None
    key: tuple[int, int]
    type_scope: bool


def _find(pattern: int, captures: dict[str, list[Node]], source: bytes) -> _Found | None:
    node: Node | None = None
    kind: SymbolKind | None = None
    type_scope = False
    for capture, nodes in captures.items():
        if capture.startswith("definition."):
            node, kind = nodes[0], SymbolKind(capture.removeprefix("definition."))
        elif capture.startswith("scope"):
            node, type_scope = nodes[0], capture == "scope.type"
    if node is None:
        return None
    owner = ""
    name_node = captures["name"][0] if "name" in captures else None
    if name_node is None:
        return None
    name_node, is_function = _innermost_declarator(name_node)
    name = _text(name_node, source).strip("'\"[]")
    if kind is SymbolKind.FIELD and is_function:
        kind = SymbolKind.METHOD
    elif kind is SymbolKind.FUNCTION and name_node.type == "qualified_identifier":
        owner, _, name = name.rpartition("::")
        kind = SymbolKind.METHOD
    elif "." in name and kind is not None:
        name = name.rpartition(".")[2]
    if "owner" in captures:
        owner = _bare(_text(captures["owner"][0], source))
    if kind is None:
        name = ".".join(_bare(part) for part in re.split(r"::|\.", re.sub(r"<.*", "", name, flags=re.DOTALL)))
    if not name or len(name) > MAX_NAME or "\n" in name:
        return None
    return _Found(
        pattern=pattern,
        kind=kind,
        name=name,
        owner=".".join(_bare(part) for part in owner.split("::") if part),
        start=node.start_byte,
        end=node.end_byte,
        node=node,
        body=captures["body"][0] if "body" in captures else None,
        doc=captures["doc"][0] if "doc" in captures else None,
        key=(name_node.start_byte, name_node.end_byte),
        type_scope=type_scope,
    )


def _place(ordered: Sequence[_Found], source: bytes, above: Outline, comments: dict[int, Node]) -> Iterable[Definition]:
    """Give each definition its scope from what encloses it, and its documentation from what stands above."""
    enclosing: list[_Found] = []
    for found in ordered:
        while enclosing and enclosing[-1].end <= found.start:
            enclosing.pop()
        kind = found.kind
        if enclosing and enclosing[-1].name == found.name and enclosing[-1].end - found.end <= len(found.name) + 2:
            # `typedef struct name {...} name;` defines one thing.
            continue
        inside = next((outer for outer in reversed(enclosing) if outer.kind is not SymbolKind.FIELD), None)
        if kind is not None:
            in_callable = inside is not None and inside.kind in _CALLABLES
            if in_callable and (kind in _LOCAL_NOISE or (kind in _CALLABLES and found.body is None)):
                # A local variable, or what a C grammar takes for a declaration of a function.
                continue
            if kind is SymbolKind.FUNCTION and (
                found.owner or (inside is not None and (inside.kind in _TYPES or inside.type_scope))
            ):
                kind = SymbolKind.METHOD
            if kind is SymbolKind.VARIABLE and found.name.isupper():
                kind = SymbolKind.CONSTANT
            scope = ".".join([*(outer.name for outer in enclosing), *([found.owner] if found.owner else [])])
            first_of_row = not enclosing or enclosing[-1].node.start_point[0] < found.node.start_point[0]
            yield _definition(
                found, kind, scope, first_of_row=first_of_row, source=source, above=above, comments=comments
            )
        enclosing.append(found)


def _definition(
    found: _Found,
    kind: SymbolKind,
    scope: str,
    *,
    first_of_row: bool,
    source: bytes,
    above: Outline,
    comments: dict[int, Node],
) -> Definition:
    row = found.node.start_point[0]
    # What stands above belongs to the first definition of a row.
    outer_row = above.outer_row(row) if first_of_row else row
    if found.doc is not None:
        documentation = clean_docstring(_text(found.doc, source))
    else:
        rows = sorted(last for last in _rows_between(outer_row, row, above) if last in comments)
        lines = [_text(comments[last], source).rstrip() for last in rows]
        documentation = clean_comment("\n".join(lines)) if lines else ""
    symbol = Symbol(
        name=found.name,
        kind=kind,
        scope=scope,
        start_line=row + 1,
        end_line=last_row(found.node) + 1,
        signature=_signature(found, kind, source),
        documentation=documentation,
    )
    body_row = found.body.start_point[0] if found.body is not None else -1
    return Definition(symbol, outer_row, last_row(found.node), body_row)


def _rows_between(first: int, end: int, above: Outline) -> Iterable[int]:
    row = end
    while (start := above.attached.get(row - 1)) is not None and start >= first and start < row:
        yield row - 1
        row = start


def _signature(found: _Found, kind: SymbolKind, source: bytes) -> str:
    start = found.start
    line_start = source.rfind(b"\n", 0, start) + 1
    if _DECLARATION_WORDS.match(source, line_start, start):
        start = line_start
    end = found.end
    if found.body is not None and found.body.start_byte > found.start:
        end = found.body.start_byte
    raw = source[start : min(end, start + 4 * MAX_SIGNATURE)].decode("utf-8", "replace").strip()
    if kind in _ONE_LINERS or found.body is None:
        raw = _balanced_head(raw)
    return " ".join(raw.split()).removesuffix("=>").rstrip(" {:=")[:MAX_SIGNATURE]


def _balanced_head(text: str) -> str:
    """Return the lines up to the first one that ends with all brackets closed."""
    lines = text.split("\n")
    while len(lines) > 1 and lines[0].lstrip().startswith(("@", "[")):
        # An annotation on a line of its own says little of what is declared.
        del lines[0]
    depth = 0
    for index, line in enumerate(lines):
        depth += sum(line.count(character) for character in "([") - sum(line.count(character) for character in ")]")
        if depth <= 0:
            return "\n".join(lines[: index + 1])
    return lines[0]


def _imports(captures: dict[str, list[Node]], source: bytes, language: str) -> Iterable[Import]:
    if "module" not in captures:
        return
    module = _text(captures["module"][0], source)
    statement = _text(captures["import"][0], source)
    name = _text(captures["import.name"][0], source) if "import.name" in captures else ""
    alias = _text(captures["import.alias"][0], source) if "import.alias" in captures else ""
    yield from expand_import(language, module, name, alias, statement)


def _innermost_declarator(node: Node) -> tuple[Node, bool]:
    """Follow a C declarator to the name in it; also say whether a function is declared on the way."""
    is_function = False
    for _ in range(32):
        is_function = is_function or node.type == "function_declarator"
        inner = node.child_by_field_name("declarator")
        if inner is None and node.type in {"parenthesized_declarator", "reference_declarator"} and node.named_children:
            inner = node.named_children[0]
        if inner is None:
            break
        node = inner
    return node, is_function


def _fills_rows(node: Node, source: bytes) -> bool:
    start = node.start_byte
    return not source[source.rfind(b"\n", 0, start) + 1 : start].strip()


def _bare(text: str) -> str:
    match = _NAME.search(text)
    return match.group() if match else ""


def _text(node: Node, source: bytes) -> str:
    return source[node.start_byte : node.end_byte].decode("utf-8", "replace")
