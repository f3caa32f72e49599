"""Comments and docstrings as prose: their markers removed, their length bounded."""

from __future__ import annotations

import inspect
import re

MAX_DOCUMENTATION = 2000
"""Characters kept of one documentation."""

_OPENING = re.compile(r"^\s*(?:/\*[*!]*|//[/!]*|#+!?|--+|;+|%+)[ \t]?")
_CLOSING = re.compile(r"\s*\*+/\s*$")
_STAR = re.compile(r"^\s*\*(?!/)[ \t]?")
_STRING = re.compile(r"^[A-Za-z]{0,2}(\"\"\"|'''|\"|')(.*)\1$", re.DOTALL)


def clean_comment(text: str) -> str:
    """Return the prose of one or more comments in any of the usual syntaxes."""
    lines: list[str] = []
    for raw in text.split("\n"):
        line = _CLOSING.sub("", raw.rstrip())
        opened = _OPENING.sub("", line, count=1)
        lines.append(opened if opened != line else _STAR.sub("", line, count=1))
    return inspect.cleandoc("\n".join(lines))[:MAX_DOCUMENTATION].rstrip()


def clean_docstring(text: str) -> str:
    """Return the prose of a string literal that stands first in a body."""
    match = _STRING.match(text.strip())
    return inspect.cleandoc(match.group(2) if match else text)[:MAX_DOCUMENTATION].rstrip()
