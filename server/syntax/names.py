"""How names are used in a piece of code: called, as a member, as a type, bound to a value."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.syntax.lexing import Token, TokenKind, lex

_MEMBER_OPERATORS = frozenset({".", "?.", "->", "::"})
_BINDING_KEYWORDS = frozenset({"let", "const", "var", "val", "mut", "for", "as", "foreach", "local"})
_DEFINING_KEYWORDS = frozenset(
    {
        "def",
        "class",
        "function",
        "func",
        "fn",
        "fun",
        "struct",
        "enum",
        "interface",
        "trait",
        "type",
        "module",
        "object",
    }
)


class UseShape(enum.Enum):
    """What stands around a name."""

    CALL = "call"
    MEMBER = "member"
    MEMBER_CALL = "member-call"
    TYPE = "type"
    PLAIN = "plain"
    DEFINITION = "definition"

    @property
    def is_member(self) -> bool:
        """Whether the name follows a dot, arrow or double colon."""
        # Asked thousands of times for one completion; a set would hash the members in Python.
        return self is UseShape.MEMBER or self is UseShape.MEMBER_CALL


@dataclass(frozen=True, slots=True)
class NameUse:
    """One occurrence of a name. ``qualifier`` is the name before the dot (``"http"`` in ``http.Handler``), if any."""

    name: str
    shape: UseShape
    line: int
    column: int
    qualifier: str = ""


def name_uses(tokens: Sequence[Token]) -> Iterator[NameUse]:
    """Yield every use of a name in ``tokens``; keywords, strings and comments are not names."""
    code = [token for token in tokens if token.kind is not TokenKind.COMMENT]
    for position, token in enumerate(code):
        if token.kind is TokenKind.NAME:
            yield _use(code, position)


def name_at(text: str, language: str, line: int, column: int) -> tuple[NameUse, list[Token]] | None:
    """The name at ``line`` (1-based), ``column`` (0-based; just behind the name counts), and the tokens of ``text``."""
    tokens = [token for token in lex(text, language) if token.kind is not TokenKind.COMMENT]
    for position, token in enumerate(tokens):
        if token.line > line:
            break
        if (
            token.line == line
            and token.kind is TokenKind.NAME
            and token.column <= column <= token.column + len(token.text)
        ):
            return _use(tokens, position), tokens
    return None


def bound_names(tokens: Sequence[Token]) -> frozenset[str]:
    """Names that ``tokens`` bind to values: assigned, declared, or counted by a loop; fields are not among them."""
    bound: set[str] = set()
    code = [token for token in tokens if token.kind is not TokenKind.COMMENT]
    for position, token in enumerate(code):
        if token.kind is not TokenKind.NAME:
            continue
        before = code[position - 1] if position else None
        if before and before.text in _MEMBER_OPERATORS:
            continue
        follows = code[position + 1].text if position + 1 < len(code) else ""
        declared = before is not None and before.kind is TokenKind.KEYWORD and before.text in _BINDING_KEYWORDS
        if declared or follows in {"=", ":="} or (follows == "in" and before is not None and before.text == ","):
            bound.add(token.text)
        elif follows == ",":
            # `a, err := f()` and `for key, value in items`: follow the commas to what ends them.
            end = position + 1
            while end + 1 < len(code) and code[end].text == "," and code[end + 1].kind is TokenKind.NAME:
                end += 2
            if end < len(code) and code[end].text in {"=", ":=", "in"} and code[end].line == token.line:
                bound.add(token.text)
    return frozenset(bound)


def _use(code: Sequence[Token], position: int) -> NameUse:
    token = code[position]
    before = code[position - 1] if position else None
    after = code[position + 1] if position + 1 < len(code) else None
    qualifier = ""
    called = after is not None and (after.text == "(" or (after.text == "!" and token.text.islower()))
    if before and before.text in _MEMBER_OPERATORS:
        if position > 1 and code[position - 2].kind in {TokenKind.NAME, TokenKind.KEYWORD}:
            qualifier = code[position - 2].text
        shape = UseShape.MEMBER_CALL if called else UseShape.MEMBER
    elif before and before.kind is TokenKind.KEYWORD and before.text in _DEFINING_KEYWORDS:
        shape = UseShape.DEFINITION
    elif called:
        shape = UseShape.CALL
    elif token.text[0].isupper() and not token.text.isupper():
        shape = UseShape.TYPE
    else:
        shape = UseShape.PLAIN
    return NameUse(token.text, shape, token.line, token.column, qualifier)
