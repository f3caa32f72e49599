"""Finds secrets in text: by the shapes of vendors' tokens, and by what names call a secret and looks like one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from indexer.secrets.rules import Rule, RuleSet, rule_set

ALLOW = "hearth:allow-secret"
"""What a line says, or the line above it, whose value is no secret."""

_TEMPLATE = re.compile(r"[$%#@]?[{(\[]|\$\w|<\w|%[sdv]\b|\\[xu]|\)\Z|::|&&|\|\||\A\w+\.\w+\.\w+\Z")
"""What is filled in later, or is an expression or a path."""
_WORDS = re.compile(r"(?:[A-Za-z]?[a-z]{2,}|[A-Z]{3,}|\d{1,3}|[\W_])+")
_MIXED = re.compile(r"(?=.*[A-Za-z])(?=.*\d)|(?=.*[a-z])(?=.*[A-Z])")
_FEW_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret at ``text[start:end]``, found by ``rule``; in the order of the text, findings do not overlap.

    One that is ``allowed`` is no secret by the word of whoever wrote the settings.
    """

    rule: str
    start: int
    end: int
    allowed: bool = False


def find_secrets(text: str, allowed: AbstractSet[str] = frozenset()) -> tuple[Finding, ...]:
    """Find all secrets in ``text``, and say which are allowed. Offsets are in characters.

    Args:
        text: Any text.
        allowed: Rules whose findings are allowed where the text stands.
    """
    known = rule_set()
    found = list(_found(text, text, known.exact, known))
    found += _found(text, _lower(text), known.ignoring_case, known)
    found.sort(key=lambda finding: (finding.start, -finding.end))
    overlapping: list[list[Finding]] = []
    end = 0
    for finding in found:
        if overlapping and finding.start < end:
            overlapping[-1].append(finding)
        else:
            overlapping.append([finding])
        end = max(end, finding.end)
    return tuple(_joined(some, allowed) for some in overlapping)


def _joined(overlapping: Sequence[Finding], allowed: AbstractSet[str]) -> Finding:
    """Make one finding of those that overlap.

    The shape of a vendor's token says what it is, whatever the name calls it that it is assigned to: who allows
    ``assigned-secret`` allows no token of GitHub's.
    """
    shaped = [finding for finding in overlapping if finding.rule not in rule_set().assigned] or overlapping
    return Finding(
        shaped[0].rule,
        overlapping[0].start,
        max(finding.end for finding in overlapping),
        all(finding.rule in allowed for finding in shaped),
    )


def _found(text: str, searched: str, keywords: dict[str, tuple[Rule, ...]], known: RuleSet) -> Iterator[Finding]:
    for keyword, candidates in keywords.items():
        position = searched.find(keyword)
        while position >= 0:
            for rule in candidates:
                match = rule.pattern.match(text, max(0, position - rule.reach))
                if match is not None and _plausible(match, rule, known) and not _allowed(text, match):
                    yield Finding(rule.name, match.start("secret"), match.end("secret"))
                    break
            position = searched.find(keyword, position + len(keyword))


def _lower(text: str) -> str:
    """Return ``text`` in lower case with every character in its place: a few become two in lower case."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)


def _plausible(match: re.Match[str], rule: Rule, known: RuleSet) -> bool:
    """Whether the value is a secret rather than what stands for one."""
    value = match["secret"]
    lower = value.lower()
    if any(word in lower for word in (known.assigned_placeholders if rule.assigned else known.placeholders)):
        return False
    if rule.assigned and (_TEMPLATE.search(value) or _WORDS.fullmatch(value) or not _MIXED.match(value)):
        return False
    return len(set(value)) > _FEW_CHARACTERS and _entropy(value) >= rule.entropy


def _entropy(value: str) -> float:
    """Return Shannon's entropy in bits a character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


def _allowed(text: str, match: re.Match[str]) -> bool:
    """Whether the line where the match begins, or the one above it, says that this is no secret."""
    line = text.rfind("\n", 0, match.start("secret")) + 1
    above = text.rfind("\n", 0, max(0, line - 1)) + 1
    end = text.find("\n", match.start("secret"))
    return text.find(ALLOW, above, end if end >= 0 else len(text)) >= 0
