"""The terms that the static embedder looks up: parts of identifiers and whole identifiers, in lower case.

Stored vectors depend on every line of this module. A change that can alter the terms of any text must raise
``TERMS_REVISION``, which is part of the embedder's version.
"""

from __future__ import annotations

import re

TERMS_REVISION = 1

MAX_TEXT_CHARACTERS = 32_768
"""Text beyond this many characters does not count: a chunk is far shorter, and a query must stay cheap."""

_MAX_WORD_CHARACTERS = 64
_MAX_NUMBER_CHARACTERS = 4
_NUMBER = "#"

_WORD = re.compile(r"\w+")
_ASCII_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Han, kana and Hangul are written without spaces; they are cut into pairs of characters.
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_UNSPACED_RUN = re.compile(rf"[{_UNSPACED}]{{2,}}")
_SCRIPT_PART = re.compile(rf"[{_UNSPACED}]+|\d+|[^\W\d_{_UNSPACED}]+")

_BLANKED = "".join(chr(code) if chr(code).isalnum() or chr(code) == "_" else " " for code in range(128))


def words_of(text: str) -> list[str]:
    """Return the words of a text as written: runs of letters, digits and underscores of any script."""
    if text.isascii():
        # The same words as by the expression, in a quarter of the time.
        return text.translate(_BLANKED).split()
    return _WORD.findall(text)


def terms_of(word: str) -> tuple[str, ...]:
    """Return the terms of one word.

    ``"parseHTTPUrl"`` gives ``parse``, ``http``, ``url`` and ``parsehttpurl``. A long number gives one common
    term, and a word longer than 64 characters (encoded data, as a rule) counts by its beginning only.
    """
    word = word[:_MAX_WORD_CHARACTERS]
    if word[0].isdecimal():
        return (_NUMBER,) if len(word) > _MAX_NUMBER_CHARACTERS else (word.lower(),)
    terms = [part.lower() for part in _ASCII_PART.findall(word)] if word.isascii() else _terms_of_any_script(word)
    if len(terms) > 1:
        terms.append(word.strip("_").lower())
    return tuple(terms)


def _terms_of_any_script(word: str) -> list[str]:
    terms: list[str] = []
    for part in _SCRIPT_PART.findall(word):
        if _UNSPACED_RUN.fullmatch(part):
            terms.extend(part[at : at + 2] for at in range(len(part) - 1))
            continue
        start = 0
        for at in range(1, len(part)):
            if part[at].isupper() and not part[at - 1].isupper():
                terms.append(part[start:at].lower())
                start = at
        terms.append(part[start:].lower())
    return terms
