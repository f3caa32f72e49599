"""What a query asks for: its words with their weights, the names it spells out, and whether it wants a definition."""

from __future__ import annotations

import re
from dataclasses import dataclass

from indexer.tokens import STOPWORDS, identifier_terms, identifiers, is_identifier_like

MAX_QUERY_CHARS = 4000
"""A longer query (a pasted file) is cut; its first part decides."""
MAX_TERMS = 64

_QUOTED = re.compile(r"`([^`\n]{1,120})`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+|\b[\w-]+\.(?:[a-z]{1,4}|toml|yaml|json)\b")
_DEFINITION = re.compile(
    r"\b(?:where(?:'s|\s+is|\s+are)?\b.*\b(?:defined?|definition|declared?|implemented?|implementation)"
    r"|(?:definition|declaration|implementation)\s+of)\b",
    re.IGNORECASE | re.DOTALL,
)
_CALL = re.compile(r"([A-Za-z_]\w*)\(\)")


@dataclass(frozen=True, slots=True)
class QueryAnalysis:
    """A query taken apart.

    Attributes:
        text: What is embedded.
        terms: Terms for lexical search with their weights.
        names: Identifiers that the query spells out, as written.
        words: Stems of all words that count, for matching paths.
        paths: Pieces that look like paths or file names, in lower case.
        wants_definition: Whether the query asks where something is defined.
    """

    text: str
    terms: dict[str, float]
    names: tuple[str, ...]
    words: frozenset[str]
    paths: tuple[str, ...]
    wants_definition: bool


def analyse(query: str) -> QueryAnalysis:
    """Take a query apart; any text is a query, also code or nothing."""
    text = query[:MAX_QUERY_CHARS]
    spelled = {match.group(1) for match in _CALL.finditer(text)}
    for match in _QUOTED.finditer(text):
        spelled.update(identifiers(match.group(1)))
    terms: dict[str, float] = {}
    names: dict[str, None] = {}
    for word in identifiers(text):
        if word.lower() in STOPWORDS and word not in spelled:
            continue
        is_name = word in spelled or is_identifier_like(word)
        if is_name:
            names[word] = None
        parts = identifier_terms(word)
        for part in parts:
            # The whole of a name that was spelled out says more than its parts.
            weight = 1.0 if len(parts) == 1 else (1.5 if part == parts[-1] else 0.7)
            terms[part] = min(terms.get(part, 0.0) + weight, 2.0)
    kept = dict(list(terms.items())[:MAX_TERMS])
    return QueryAnalysis(
        text=text,
        terms=kept,
        names=tuple(names),
        words=frozenset(term for term in kept if len(term) > 1),
        paths=tuple(match.group().lower() for match in _PATH.finditer(text)),
        wants_definition=bool(_DEFINITION.search(text)),
    )
