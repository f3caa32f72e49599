"""Parameters and return types read from a one-line signature."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_NAME_FIRST = frozenset(
    {"python", "javascript", "typescript", "tsx", "jsx", "rust", "kotlin", "go", "ruby", "swift", "scala"}
)
_OPENERS = {"(": ")", "[": "]", "{": "}", "<": ">"}
_MODIFIERS = re.compile(
    r"^(?:@\w+(?:\([^)]*\))?\s+|(?:public|private|protected|readonly|final|mut|ref|out|in|params|vararg|const|val|var|noinline|"
    r"crossinline)\s+)+"
)
_NAME = re.compile(r"[$&*.]*([^\W\d][\w$]*)")
_BORROWED = re.compile(r"^&\s*(?:'\w+\s+)?")
_DEFAULT = re.compile(r"(?<![=<>!])=(?![=>])")
_RECEIVERS = frozenset({"self", "cls", "this"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; ``type`` and ``default`` are empty where the signature gives none."""

    name: str
    type: str = ""
    default: str = ""


@functools.lru_cache(maxsize=4096)
def parameters(signature: str, name: str, language: str) -> tuple[Parameter, ...]:
    """Parameters of the function ``name`` in ``signature``, without receivers such as ``self``."""
    span = _parameter_span(signature, name)
    if span is None:
        return ()
    found = []
    for part in _split(signature[slice(*span)]):
        parameter = _parameter(part.strip(), language)
        if parameter and parameter.name not in _RECEIVERS:
            found.append(parameter)
    return _spread_types(found) if language == "go" else tuple(found)


def return_type(signature: str, name: str, language: str) -> str:
    """What the function ``name`` is declared to return; empty when the signature does not say."""
    span = _parameter_span(signature, name)
    if span is None:
        return ""
    tail = signature[span[1] + 1 :].strip()
    if language in {"python", "rust", "swift"}:
        declared = tail[2:] if tail.startswith("->") else ""
    elif language in {"typescript", "tsx", "kotlin", "scala", "php"}:
        declared = tail[1:] if tail.startswith(":") else ""
    elif language == "go":
        declared = tail
    elif language in {"java", "csharp", "c", "cpp"}:
        before = signature[: signature.rfind(name, 0, span[0])].split()
        declared = before[-1] if before and _MODIFIERS.match(before[-1] + " ") is None else ""
        if declared in {"new", "static", "inline", "virtual", "explicit"}:
            declared = ""
    else:
        declared = ""
    declared = re.split(r"\s*(?:\{|=>|\bwhere\b|\bthrows\b)", declared.strip(), maxsplit=1)[0]
    return declared.rstrip(":{; ").strip()


def _parameter_span(signature: str, name: str) -> tuple[int, int] | None:
    """Start and end of what stands between the parentheses that follow ``name``."""
    for match in re.finditer(rf"(?<![\w$]){re.escape(name)}(?![\w$])", signature):
        at = match.end()
        while (
            at < len(signature)
            and signature[at] in " =:"
            and signature[at:].lstrip(" =:").startswith(("(", "<", "async"))
        ):
            at += 1
        at = at + 5 if signature.startswith("async", at) else at
        while at < len(signature) and signature[at] == " ":
            at += 1
        if at < len(signature) and signature[at] == "<":
            at = _closing(signature, at) + 1
        if at < len(signature) and signature[at] == "[":
            at = _closing(signature, at) + 1
        if at < len(signature) and signature[at] == "(":
            return at + 1, _closing(signature, at)
    return None


def _closing(text: str, start: int) -> int:
    """Position of the bracket that closes the one at ``start``; the end of ``text`` when it is cut short."""
    expected: list[str] = []
    for position in range(start, len(text)):
        character = text[position]
        # The > of an arrow closes nothing.
        if character == ">" and position and text[position - 1] in "-=":
            continue
        if character in _OPENERS:
            expected.append(_OPENERS[character])
        elif expected and character == expected[-1]:
            expected.pop()
            if not expected:
                return position
    return len(text)


def _split(text: str) -> list[str]:
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] in _OPENERS:
            position = _closing(text, position)
        elif text[position] == ",":
            parts.append(text[start:position])
            start = position + 1
        position += 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _parameter(part: str, language: str) -> Parameter | None:
    part = _MODIFIERS.sub("", _BORROWED.sub("", part))
    declaration, default = [*_DEFAULT.split(part, maxsplit=1), ""][:2]
    declaration = declaration.strip()
    if language not in _NAME_FIRST:
        words = declaration.rsplit(None, 1)
        match = _NAME.fullmatch(re.sub(r"\[.*\]$", "", words[-1])) if words else None
        if match is None:
            return None
        return Parameter(match.group(1), words[0] if len(words) > 1 else "", default.strip())
    match = _NAME.match(declaration)
    if match is None:
        return None
    declared = declaration[match.end() :].lstrip("?").strip()
    return Parameter(match.group(1), declared.removeprefix(":").strip(), default.strip())


def _spread_types(found: list[Parameter]) -> tuple[Parameter, ...]:
    """Give ``a`` its type in Go's ``a, b int``."""
    spread: list[Parameter] = []
    declared = ""
    for parameter in reversed(found):
        declared = parameter.type or declared
        spread.append(Parameter(parameter.name, declared, parameter.default))
    return tuple(reversed(spread))
