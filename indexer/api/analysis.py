"""What a query asks for: its words with their weights, the names it spells out, and whether it wants a definition."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from indexer.tokens import STOPWORDS, identifier_terms, identifiers, is_identifier_like

MAX_QUERY_CHARS = 4000
"""A longer query (a pasted file) is cut; its first part decides."""
MAX_TERMS = 64

_FEW_WORDS = 2
_MAX_NAMES = 16
_MAX_JOINED = 40
_JOINED_WEIGHT = 0.7

_QUOTED = re.compile(r"`([^`\n]{1,120})`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+|\b[\w-]+\.(?:[a-z]{1,4}|toml|yaml|json)\b")
_DEFINITION = re.compile(
    r"\b(?:where(?:'s|\s+is|\s+are)?\b.*\b(?:defined?|definition|declared?|implemented?|implementation)"
    r"|(?:definition|declaration|implementation)\s+of)\b",
    re.IGNORECASE | re.DOTALL,
)
_CALL = re.compile(r"([A-Za-z_]\w*)\(\)")


_QUESTION = re.compile(
    r"\?\s*$|^\s*(?:what|where|which|who|why|when|how|is|are|does|do|did|can|could|should|show|explain|describe|find"
    r"|list)\b",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"^\s*(?:\[[^\]]{1,30}\]\s*|THRIFT-\d+\W+|[A-Z]{2,10}-\d+\W+)*(?:[a-z]+(?:\([^)]{1,60}\))?!?:\s"
    r"|(?:re-?)?(?:add|allow|apply|avoid|bump|change|check|clarify|clean|convert|correct|create|delete|deprecate|disable"
    r"|disallow|document|drop|enable|ensure|expose|extract|fix|handle|implement|improve|increase|inline|introduce|keep"
    r"|make|merge|migrate|minor|move|optimi[sz]e|pass|port|prefer|prevent|promote|raise|reduce|refactor|reject|remove"
    r"|rename|replace|restore|return|revert|rewrite|set|silence|simplify|skip|split|start|stop|support|switch|tweak"
    r"|update|upgrade|use|wrap)(?:d|ed|ing)?\b)",
    re.IGNORECASE,
)


_SUBJECT_AND_BODY = re.compile(r"[^\n]{8,100}\n\s*\n\s*\S")


class Intent(enum.Enum):
    """What kind of answer serves a query best."""

    QUESTION = "question"
    """One place explains it: chunks of the right file support each other."""
    CHANGE = "change"
    """The message of a change: many files have a part in it."""
    DESCRIPTION = "description"
    """Words or code that the answer resembles."""


@dataclass(frozen=True, slots=True)
class QueryAnalysis:
    """A query taken apart.

    Attributes:
        text: What is embedded.
        terms: Terms for lexical search with their weights.
        names: Identifiers that the query spells out, and words that may be some, as written.
        words: Stems of all words that count, for matching paths.
        paths: Pieces that look like paths or file names, in lower case.
        wants_definition: Whether the query asks where something is defined.
        intent: What kind of answer serves best.
    """

    text: str
    terms: dict[str, float]
    names: tuple[str, ...]
    words: frozenset[str]
    paths: tuple[str, ...]
    wants_definition: bool
    intent: Intent


def analyse(query: str) -> QueryAnalysis:
    """Take a query apart; any text is a query, also code or nothing."""
    text = query[:MAX_QUERY_CHARS]
    spelled = {match.group(1) for match in _CALL.finditer(text)}
    for match in _QUOTED.finditer(text):
        spelled.update(identifiers(match.group(1)))
    terms: dict[str, float] = {}
    previous = ""
    names: dict[str, None] = {}
    wants_definition = bool(_DEFINITION.search(text))
    short = len(text.split()) <= _FEW_WORDS
    for position, word in enumerate(identifiers(text)):
        if word.lower() in STOPWORDS and word not in spelled:
            previous = ""
            continue
        is_name = word in spelled or is_identifier_like(word)
        # What might be a name is looked up too; it counts when something of exactly that name is defined.
        if is_name or short or wants_definition or (position > 0 and word[0].isupper() and len(word) > 1):
            names[word] = None
        parts = identifier_terms(word)
        for part in parts:
            # The whole of a name that was spelled out says more than its parts.
            weight = 1.0 if len(parts) == 1 else (1.5 if part == parts[-1] else 0.7)
            terms[part] = min(terms.get(part, 0.0) + weight, 2.0)
        # "web socket" also means what code calls webSocket or websocket.
        whole = "" if is_name else word.lower()
        if previous and whole and len(previous) + len(whole) <= _MAX_JOINED:
            terms.setdefault(previous + whole, _JOINED_WEIGHT)
        previous = whole
    kept = dict(list(terms.items())[:MAX_TERMS])
    return QueryAnalysis(
        text=text,
        terms=kept,
        names=tuple(names)[:_MAX_NAMES],
        words=frozenset(term for term in kept if len(term) > 1),
        paths=tuple(match.group().lower() for match in _PATH.finditer(text)),
        wants_definition=wants_definition,
        intent=_intent(text),
    )


def _intent(text: str) -> Intent:
    if _QUESTION.search(text):
        return Intent.QUESTION
    # A subject with a body below it, or a conventional prefix or imperative in one line that does not end like a
    # sentence of documentation.
    if _SUBJECT_AND_BODY.match(text) or (_CHANGE.match(text) and not text.rstrip().endswith(".")):
        return Intent.CHANGE
    return Intent.DESCRIPTION
