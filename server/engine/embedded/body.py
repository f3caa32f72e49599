"""What the text of a function or of some lines shows by itself: calls, returns, errors, loops, conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.syntax import NameUse, Token, TokenKind, UseShape, lex, name_uses

_LOOPS = frozenset({"for", "while", "loop", "foreach", "until"})
_CONDITIONS = frozenset({"if", "elif", "elsif", "unless", "switch", "match", "when", "select"})
_RAISES = frozenset({"raise", "throw"})
_AWAITS = frozenset({"await"})
_YIELDS = frozenset({"yield"})
_LINE_LANGUAGES = frozenset({"python", "ruby", "bash"})
"""Languages in which a loop or condition at the start of a line is a statement, and elsewhere part of an expression."""
_RUST_PANICS = frozenset({"panic", "todo", "unimplemented", "unreachable"})
_CONSTRUCTORS = {"rust": frozenset({"Ok", "Err", "Some"})}
"""What looks like a call and only wraps a value."""
_OWN = frozenset({"self", "this", "Self", "cls", "super"})
_MAX_EXPRESSION = 60
_MAX_CALLS = 16


@dataclass(frozen=True, slots=True)
class Body:
    """What was counted and found, in the order of the text."""

    calls: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()
    raises: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()
    loops: int = 0
    conditions: int = 0
    awaits: int = 0
    propagated: int = 0
    """Uses of Rust's ``?``."""
    yields: bool = False
    recursive: bool = False


def read_body(text: str, language: str, name: str = "") -> Body:
    """Read the body of the definition ``name`` in ``text``, or all of ``text`` when no name is given."""
    tokens = [token for token in lex(text, language) if token.kind is not TokenKind.COMMENT]
    tokens = tokens[_body_start(tokens, name) :] if name else tokens
    first_on_line = _first_on_line(tokens)
    lines = text.split("\n")
    raised = _raised(tokens, language)
    calls: dict[str, None] = {}
    recursive = False
    for use in name_uses(tokens):
        if use.shape not in {UseShape.CALL, UseShape.MEMBER_CALL} or use.name in _CONSTRUCTORS.get(language, ()):
            continue
        if use.name == name and (use.qualifier in _OWN | {""}):
            recursive = True
        else:
            calls.setdefault(_spelled(use, language))
    counted = [
        token
        for position, token in enumerate(tokens)
        if token.kind is TokenKind.KEYWORD
        and (language not in _LINE_LANGUAGES or position in first_on_line or token.text in _YIELDS | _AWAITS)
        and not (position and tokens[position - 1].text in {".", "::"})
    ]
    return Body(
        calls=tuple(call for call in calls if call not in raised and f"{call}!" not in raised)[:_MAX_CALLS],
        returns=_expressions(tokens, {"return"}, lines),
        raises=raised,
        assigned=_assigned(tokens, first_on_line),
        loops=sum(token.text in _LOOPS for token in counted),
        conditions=sum(token.text in _CONDITIONS for token in counted),
        awaits=sum(token.text in _AWAITS for token in counted),
        propagated=_propagated(tokens) if language == "rust" else 0,
        yields=any(token.text in _YIELDS for token in counted),
        recursive=recursive,
    )


def _spelled(use: NameUse, language: str) -> str:
    if use.qualifier in _OWN | {""}:
        return use.name
    of_type = language in {"rust", "cpp", "php"} and use.qualifier[0].isupper()
    return f"{use.qualifier}{'::' if of_type else '.'}{use.name}"


def _body_start(tokens: Sequence[Token], name: str) -> int:
    """Position behind the parameter list of ``name``; 0 when it has none."""
    for position, token in enumerate(tokens):
        if token.text != name:
            continue
        depth = 0
        opened = False
        for after in range(position + 1, len(tokens)):
            value = tokens[after].text
            if not opened and value in {"{", ";"}:
                return after
            if value == "(":
                depth += 1
                opened = True
            elif value == ")":
                depth -= 1
                if opened and depth == 0:
                    return after + 1
        return 0
    return 0


def _first_on_line(tokens: Sequence[Token]) -> frozenset[int]:
    first = set()
    line = -1
    for position, token in enumerate(tokens):
        if token.line != line or (position - 1 in first and tokens[position - 1].text == "async"):
            first.add(position)
        line = token.line
    return frozenset(first)


def _expressions(tokens: Sequence[Token], keywords: set[str], lines: Sequence[str]) -> tuple[str, ...]:
    """Short expressions behind ``keywords``, as written; longer ones and those of several lines are left out."""
    found: dict[str, None] = {}
    for token in tokens:
        if token.kind is not TokenKind.KEYWORD or token.text not in keywords:
            continue
        rest = lines[token.line - 1][token.column + len(token.text) :].strip()
        rest = rest.split("}")[0].rstrip("; ") if rest.count("}") > rest.count("{") else rest.rstrip("; ")
        complete = all(rest.count(opener) == rest.count(closer) for opener, closer in ("()", "[]", "{}"))
        if rest and complete and len(rest) <= _MAX_EXPRESSION and "`" not in rest:
            found.setdefault(rest)
    return tuple(found)


def _raised(tokens: Sequence[Token], language: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for position, token in enumerate(tokens):
        if language == "rust" and token.text in _RUST_PANICS and _text_at(tokens, position + 1) == "!":
            found.setdefault(f"{token.text}!")
            continue
        if token.text not in _RAISES or token.kind is TokenKind.STRING:
            continue
        after = position + 1
        while _text_at(tokens, after) == "new":
            after += 1
        # `throw errors.NotFound(...)`: the last name of the dotted chain is what is raised.
        while _text_at(tokens, after + 1) in {".", "::"}:
            after += 2
        if after < len(tokens) and tokens[after].kind is TokenKind.NAME and tokens[after].text[:1].isupper():
            found.setdefault(tokens[after].text)
    return tuple(found)


def _assigned(tokens: Sequence[Token], first_on_line: frozenset[int]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for position, token in enumerate(tokens):
        declared = _text_at(tokens, position - 1) in {"let", "const", "var", "val", "mut"} if position else False
        if token.kind is TokenKind.NAME and (position in first_on_line or declared):
            follows = position + 1
            while _text_at(tokens, follows) == "." and follows + 1 < len(tokens):
                follows += 2
            if _text_at(tokens, follows) in {"=", ":="} or (declared and _text_at(tokens, follows) in {":", "="}):
                found.setdefault("".join(part.text for part in tokens[position:follows]))
    return tuple(found)


def _propagated(tokens: Sequence[Token]) -> int:
    return sum(
        (token.text == "?" and position > 0 and tokens[position - 1].text in {")", "]"})
        or (token.text == "?." and position > 0 and tokens[position - 1].text in {")", "]"})
        for position, token in enumerate(tokens)
    )


def _text_at(tokens: Sequence[Token], position: int) -> str:
    return tokens[position].text if 0 <= position < len(tokens) else ""
