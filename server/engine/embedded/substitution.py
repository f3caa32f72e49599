"""Carries a line over from a similar place: what stood there for the names here is learnt from the aligned contexts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_WORD = re.compile(r"\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")


@dataclass(slots=True)
class Substitution:
    """What replaces what: whole words, and parts of words (``user`` → ``group`` turns ``createUsers`` too)."""

    words: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    conflicts: int = 0
    """Times that a word stood for two different ones."""

    def learn(self, there: str, here: str) -> None:
        """Take in one aligned pair, nearest to the cursor first; earlier pairs win."""
        known = self.words.get(there)
        if known is not None:
            self.conflicts += known != here
            return
        self.words[there] = here
        if there == here or there[0].isdigit():
            return
        pair = _differing_part(there, here)
        if pair is not None:
            self.parts.setdefault(pair[0], pair[1])

    def apply(self, line: str) -> tuple[str, int, int, list[str]]:
        """Return the new line, how many words were replaced as a whole and in part, and the words left as they are."""
        whole = partly = 0
        left: list[str] = []

        def replace(match: re.Match[str]) -> str:
            nonlocal whole, partly
            word = match.group()
            known = self.words.get(word)
            if known is not None:
                whole += known != word
                return known
            if self.parts:
                changed = self._replace_parts(word)
                if changed != word:
                    partly += 1
                    return changed
            left.append(word)
            return word

        return _WORD.sub(replace, line), whole, partly, left

    def _replace_parts(self, word: str) -> str:
        def replace(match: re.Match[str]) -> str:
            part = match.group()
            known = self.parts.get(part.lower())
            return part if known is None else _in_case_of(part, known, word)

        return _PART.sub(replace, word)


def _differing_part(there: str, here: str) -> tuple[str, str] | None:
    """Return the parts in which two names differ when the rest is equal or each is one part, in lower case."""
    one = [part.lower() for part in _PART.findall(there)]
    other = [part.lower() for part in _PART.findall(here)]
    if not one or not other:
        return None
    while len(one) > 1 and len(other) > 1 and one[0] == other[0]:
        del one[0], other[0]
    while len(one) > 1 and len(other) > 1 and one[-1] == other[-1]:
        del one[-1], other[-1]
    if len(one) != 1 or one[0] == "".join(other) or len(one[0]) < 2:
        return None
    return one[0], "_".join(other)


def _in_case_of(part: str, replacement: str, word: str) -> str:
    pieces = replacement.split("_")
    if part.isupper() and len(part) > 1:
        return "_".join(pieces).upper() if word.isupper() else "".join(pieces).upper()
    if part[0].isupper():
        return "".join(piece.capitalize() for piece in pieces)
    if word.islower():
        return ("_" if len(pieces) > 1 else "").join(pieces)
    return pieces[0] + "".join(piece.capitalize() for piece in pieces[1:])
