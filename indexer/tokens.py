"""Words of code: identifiers split the way people name things, shared by lexical search and the embedder."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

_IDENTIFIER = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")
_DECIMAL = re.compile(r"\d\.\d")
_WORD = re.compile(r"[a-z]{3,}")
# Han, kana and Hangul are written without spaces: they are searched by pairs of characters.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")

MAX_TERM = 64
"""Characters of a term; longer identifiers are cut, which keeps encoded data out of the vocabulary."""

STOPWORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing done down during each few for from further give given gives had has have having he her
    here hers him his how i if in into is it its itself just let me more most my no nor not now of off on once only or
    other our out over own please s same she should show so some such t tell than that the their them then there these
    they this those through to too under until up us used using very was we were what when where which while who whom
    why will with would you your
    """.split()  # noqa: SIM905 (a list of a hundred quoted words is harder to read)
)
"""English words that say nothing about code. They are dropped from queries, never from documents."""

_STEP_2 = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("abli", "able"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"),
)  # fmt: skip
_STEP_3 = (("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""))
_STEP_4 = (
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous", "ive", "ize", "ion",
    "al", "er", "ic", "ou",
)  # fmt: skip
_STEPS_2_AND_3 = tuple((tuple(suffix for suffix, _ in suffixes), suffixes) for suffixes in (_STEP_2, _STEP_3))
_CONSONANT_OR_VOWEL = str.maketrans(
    {chr(letter): "v" if chr(letter) in "aeiou" else "c" for letter in range(ord("a"), ord("z") + 1)}
)

# What can stand in no identifier and no number, so that cutting there cuts none of them.
_BLANKED = "".join(chr(code) if chr(code).isalnum() or chr(code) in "_." else " " for code in range(128))
_MAX_CACHED_RUNS = 200_000


def identifiers(text: str) -> Iterator[str]:
    """Yield identifiers and numbers of ``text`` in order, as written."""
    for match in _IDENTIFIER.finditer(text):
        yield match.group()


def split_identifier(identifier: str) -> list[str]:
    """Split at case changes, underscores and digits, in lower case: ``"parseHTTPUrl_v2"`` → parse, http, url, v, 2."""
    return [part.lower() for part in _PART.findall(identifier)]


@functools.lru_cache(maxsize=200_000)
def identifier_terms(identifier: str) -> tuple[str, ...]:
    """Return the search terms of one identifier: its parts, stemmed, and the whole when it has several parts.

    The whole is in lower case and without underscores, so that it is the same in every style of naming:
    ``"parseRequests"`` and ``"parse_requests"`` → pars, request, parserequests.
    """
    parts = split_identifier(identifier)
    terms: list[str] = []
    for part in parts:
        if _WORD.fullmatch(part):
            terms.append(stem(part))
        elif _UNSPACED.search(part):
            terms.extend(part[at : at + 2] for at in range(max(1, len(part) - 1)))
        else:
            terms.append(part[:MAX_TERM])
    if len(parts) > 1:
        terms.append("".join(parts)[:MAX_TERM])
    return tuple(terms)


def code_terms(text: str) -> list[str]:
    """Return the search terms of ``text``, in order and with repetitions, as lexical search indexes them."""
    terms: list[str] = []
    for match in _IDENTIFIER.finditer(text):
        terms.extend(identifier_terms(match.group()))
    return terms


def joined_code_terms(text: str) -> str:
    """Return the terms of :func:`code_terms` as one text, separated by spaces; in a third of the time."""
    runs = text.translate(_BLANKED).split() if text.isascii() else _IDENTIFIER.findall(text)
    return " ".join(filter(None, map(_terms_of_run.__getitem__, runs)))


class _TermsOfRun(dict[str, str]):
    """A cache from a run of letters, digits, underscores and dots to its terms, separated by spaces.

    A dictionary that fills itself is read without a call of Python code. Threads may fill it at the same time: they
    would store equal values.
    """

    def __missing__(self, run: str) -> str:
        if len(self) >= _MAX_CACHED_RUNS:
            self.clear()
        if run.isidentifier():
            terms = " ".join(identifier_terms(run))
        elif "." in run and not _DECIMAL.search(run):
            terms = " ".join(filter(None, map(self.__getitem__, filter(None, run.split(".")))))
        else:
            terms = " ".join(code_terms(run))
        if len(run) <= MAX_TERM:
            self[run] = terms
        return terms


_terms_of_run = _TermsOfRun()


def is_identifier_like(word: str) -> bool:
    """Whether a word of a query can only be a name in code: ``snake_case``, ``camelCase``, ``HTTP2``."""
    if not word[:1].isalpha() and not word.startswith("_"):
        return False
    inner = word.strip("_")
    return "_" in word or (inner[1:].lower() != inner[1:] and not inner.isupper()) or any(c.isdigit() for c in inner)


@functools.lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """Return the stem of a lower-case ASCII word: ``"authentication"`` and ``"authenticate"`` → ``"authent"``.

    M. F. Porter, "An algorithm for suffix stripping", 1980.
    """
    if len(word) <= 2:
        return word
    word = _plural(word)
    word = _past_and_participle(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    for endings, suffixes in _STEPS_2_AND_3:
        if not word.endswith(endings):
            continue
        for suffix, replacement in suffixes:
            if word.endswith(suffix):
                if _measure(word[: -len(suffix)]) > 0:
                    word = word[: -len(suffix)] + replacement
                break
    word = _derivation(word)
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _ends_consonant_vowel_consonant(word[:-1])):
            word = word[:-1]
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        word = word[:-1]
    return word


def _plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _past_and_participle(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        base = word.removesuffix(suffix)
        if base != word and _has_vowel(base):
            if base.endswith(("at", "bl", "iz")):
                return base + "e"
            if len(base) > 1 and base[-1] == base[-2] and base[-1] not in "aeioulsz":
                return base[:-1]
            if _measure(base) == 1 and _ends_consonant_vowel_consonant(base):
                return base + "e"
            return base
    return word


def _derivation(word: str) -> str:
    if not word.endswith(_STEP_4):
        return word
    for suffix in _STEP_4:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            if _measure(base) > 1 and (suffix != "ion" or base.endswith(("s", "t"))):
                return base
            break
    return word


def _shape(word: str) -> str:
    """Spell consonants ``c`` and vowels ``v``; y is a vowel after a consonant."""
    if "y" not in word:
        return word.translate(_CONSONANT_OR_VOWEL)
    shape = ""
    for index, letter in enumerate(word):
        vowel = letter in "aeiou" or (letter == "y" and index > 0 and shape[-1] == "c")
        shape += "v" if vowel else "c"
    return shape


def _measure(word: str) -> int:
    return len(re.findall("v+c+", _shape(word)))


def _has_vowel(word: str) -> bool:
    return "v" in _shape(word)


def _ends_consonant_vowel_consonant(word: str) -> bool:
    return _shape(word)[-3:] == "cvc" and word[-1] not in "wxy"
