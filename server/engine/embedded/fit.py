"""Makes a line fit where it is to stand: it never repeats what follows the cursor and leaves no bracket over."""

from __future__ import annotations

import re

_CLOSERS = {")": "(", "]": "[", "}": "{"}
_CLOSING = {"(": ")", "[": "]"}
_ENDING = re.compile(r"\s*(?:[;:]|=>\s*\{|\{)\s*\Z")
_OPENERS = frozenset(_CLOSERS.values())
_BRACKET = re.compile(r"[()\[\]{}]")
_ENDERS = ")]}\"'`;,:> \t"


def fit_rest(text: str, rest: str) -> str:
    """Cut ``text`` where it would repeat ``rest``, the line's text after the cursor; empty when it does not fit."""
    following = rest.strip()
    if not following:
        return text
    if following[0] in _CLOSERS:
        # What closes here was opened before the cursor, so the text ends where it would close that itself.
        place = _first_unbalanced(text)
        if place is not None:
            return text[:place].rstrip() if text[place] == following[0] else ""
        return "" if imbalance(text)[1] else text
    cut = _overlap(text, following)
    if cut is not None:
        return text[:cut].rstrip() if rest[:1] == following[0] else text[:cut]
    # Code that the line does not lead up to follows: it was written for another place.
    return "" if following.strip(_ENDERS) or imbalance(text) != (0, 0) else text


def repeats(text: str, below: str) -> bool:
    """Whether the lines below start with ``text``, white space aside."""
    wanted = text.strip()
    return bool(wanted) and below.lstrip().startswith(wanted)


def imbalance(text: str) -> tuple[int, int]:
    """Return how many brackets ``text`` closes that it did not open, and how many it leaves open."""
    closed = 0
    depth = 0
    for mark in _BRACKET.findall(text):
        if mark in _OPENERS:
            depth += 1
        elif depth:
            depth -= 1
        else:
            closed += 1
    return closed, depth


def balanced(before: str, text: str) -> str:
    """Return ``text`` with round and square brackets closed that it leaves open, and superfluous closers dropped.

    ``before`` is the line so far. A line that ends by opening something, or with a comma, is left as it is.
    """
    stack: list[str] = []
    kept: list[str] = []
    for mark in _BRACKET.findall(before):
        if mark in _OPENERS:
            stack.append(mark)
        elif stack and stack[-1] == _CLOSERS[mark]:
            stack.pop()
    for mark in text:
        if mark in _OPENERS:
            stack.append(mark)
        elif mark in _CLOSERS:
            if stack and stack[-1] == _CLOSERS[mark]:
                stack.pop()
            elif mark != "}":
                continue
        kept.append(mark)
    line = "".join(kept).rstrip()
    if "{" in stack:
        # A block that opens on this line is closed on another.
        stack = stack[len(stack) - stack[::-1].index("{") :]
    if not stack or line[-1:] in {"(", "[", "{", ","}:
        return line
    spaced = " ) " in before or " ( " in before
    closing = "".join((" " if spaced else "") + _CLOSING[mark] for mark in reversed(stack))
    ending = _ENDING.search(line)
    if ending is None:
        return line + closing
    head = line[: ending.start()]
    return f"{head}{closing} {ending.group().strip()}" if spaced else head + closing + ending.group()


def _overlap(text: str, following: str) -> int | None:
    """Return where the longest end of ``text`` starts that ``following`` starts with."""
    bare = text.rstrip()
    if following in bare and bare.endswith(following):
        return len(bare) - len(following)
    for size in range(min(len(bare), len(following)), 0, -1):
        if bare.endswith(following[:size]):
            start = len(bare) - size
            split_word = start > 0 and (bare[start - 1].isalnum() and bare[start].isalnum())
            cut_word = size < len(following) and following[size - 1].isalnum() and following[size].isalnum()
            if not split_word and not cut_word:
                return start
    return None


def _first_unbalanced(text: str) -> int | None:
    depth = 0
    for place, mark in enumerate(text):
        if mark in _OPENERS:
            depth += 1
        elif mark in _CLOSERS:
            if depth == 0:
                return place
            depth -= 1
    return None
