"""The rules, read from ``rules.toml`` once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of secret looks like; see ``rules.toml`` for what the fields mean."""

    name: str
    about: str
    keywords: tuple[str, ...]
    pattern: re.Pattern[str]
    ignore_case: bool
    reach: int
    entropy: float
    assigned: bool


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules, by the keywords that they are tried at."""

    exact: dict[str, tuple[Rule, ...]]
    ignoring_case: dict[str, tuple[Rule, ...]]
    placeholders: tuple[str, ...]
    assigned_placeholders: tuple[str, ...]
    assigned: frozenset[str]
    """Names of the rules that go by what a value is assigned to."""


def rules() -> tuple[Rule, ...]:
    """Return all rules in the order in which they are preferred where two find the same."""
    return _read()[0]


def rule_set() -> RuleSet:
    """Return all rules, arranged for scanning."""
    return _read()[1]


@cache
def _read() -> tuple[tuple[Rule, ...], RuleSet]:
    document = tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))
    found: list[Rule] = []
    by_keyword: tuple[dict[str, list[Rule]], dict[str, list[Rule]]] = ({}, {})
    for entry in document["rule"]:
        ignore_case = entry.get("ignore_case", False)
        rule = Rule(
            name=entry["name"],
            about=entry["about"],
            keywords=tuple(entry["keywords"]),
            pattern=re.compile(entry["pattern"], re.VERBOSE | re.DOTALL | (re.IGNORECASE if ignore_case else 0)),
            ignore_case=ignore_case,
            reach=entry.get("reach", 0),
            entropy=entry.get("entropy", 0.0),
            assigned=entry.get("assigned", False),
        )
        found.append(rule)
        for keyword in rule.keywords:
            by_keyword[ignore_case].setdefault(keyword, []).append(rule)
    exact, ignoring = ({keyword: tuple(some) for keyword, some in part.items()} for part in by_keyword)
    words = tuple(document["placeholders"])
    assigned = frozenset(rule.name for rule in found if rule.assigned)
    return tuple(found), RuleSet(exact, ignoring, words, words + tuple(document["assigned_placeholders"]), assigned)
