"""Words of code: identifiers split the way people name things, shared by lexical search and the embedder."""

from __future__ import annotations

import re
from collections.abc import Iterator

_IDENTIFIER = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")


def identifiers(text: str) -> Iterator[str]:
    """Yield identifiers and numbers of ``text`` in order, as written."""
    for match in _IDENTIFIER.finditer(text):
        yield match.group()


def split_identifier(identifier: str) -> list[str]:
    """Split at case changes, underscores and digits, in lower case: ``"parseHTTPUrl_v2"`` → parse, http, url, v, 2."""
    return [part.lower() for part in _PART.findall(identifier)]
