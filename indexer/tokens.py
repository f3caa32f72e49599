"""Words of code: identifiers split the way people name things, shared by lexical search and the embedder."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from indexer.stemming import stem

_IDENTIFIER = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")
_WORD = re.compile(r"[a-z]{3,}")

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


def identifiers(text: str) -> Iterator[str]:
    """Yield identifiers and numbers of ``text`` in order, as written."""
    for match in _IDENTIFIER.finditer(text):
        yield match.group()


def split_identifier(identifier: str) -> list[str]:
    """Split at case changes, underscores and digits, in lower case: ``"parseHTTPUrl_v2"`` → parse, http, url, v, 2."""
    return [part.lower() for part in _PART.findall(identifier)]


@functools.lru_cache(maxsize=200_000)
def identifier_terms(identifier: str) -> tuple[str, ...]:
    """Return the search terms of one identifier: its parts, stemmed, and the whole in lower case when it has several.

    ``"parseRequests"`` → pars, request, parserequests.
    """
    parts = split_identifier(identifier)
    terms = [stem(part) if _WORD.fullmatch(part) else part[:MAX_TERM] for part in parts]
    if len(parts) > 1:
        terms.append(identifier.lower()[:MAX_TERM])
    elif not parts:
        return ()
    return tuple(terms)


def code_terms(text: str) -> list[str]:
    """Return the search terms of ``text``, in order and with repetitions, as lexical search indexes them."""
    terms: list[str] = []
    for match in _IDENTIFIER.finditer(text):
        terms.extend(identifier_terms(match.group()))
    return terms


def is_identifier_like(word: str) -> bool:
    """Whether a word of a query can only be a name in code: ``snake_case``, ``camelCase``, ``HTTP2``."""
    if not word[:1].isalpha() and not word.startswith("_"):
        return False
    inner = word.strip("_")
    return "_" in word or (inner[1:].lower() != inner[1:] and not inner.isupper()) or any(c.isdigit() for c in inner)
