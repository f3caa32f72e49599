"""Cases and their score: do the returned lines hold the lines that were looked for?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CUTS = (1, 5, 10, 20)

_HALF = 0.5
_INSIDE = 0.9
_PART = 0.2


@dataclass(frozen=True, slots=True)
class Gold:
    """Lines that answer a query; 1-based and inclusive."""

    path: str
    start_line: int
    end_line: int

    def overlap(self, hit: Mapping[str, Any]) -> range:
        """Return the lines that a hit of ``hearth search`` shares with these."""
        if hit["path"] != self.path:
            return range(0)
        return range(max(hit["start_line"], self.start_line), min(hit["end_line"], self.end_line) + 1)

    def found_by(self, hit: Mapping[str, Any]) -> bool:
        """Whether a hit covers half of these lines, or lies in them nearly whole and is a fifth of them."""
        shared = len(self.overlap(hit))
        own = self.end_line - self.start_line + 1
        shown = hit["end_line"] - hit["start_line"] + 1
        return shared >= _HALF * own or (shared >= _INSIDE * shown and shared >= _PART * own)


@dataclass(frozen=True, slots=True)
class Case:
    """One query, where it is asked, and everything that answers it."""

    query: str
    repo: str
    gold: tuple[Gold, ...]
    ref: str = ""


def score(cases: Sequence[Case], answers: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Average over the cases, in percent.

    Returns:
        For each k of :data:`CUTS`: ``found@k``, the share of the gold that one of the first k hits shows; ``lines@k``,
        the share of gold lines that they show together; ``files@k``, the share of gold files among them. And ``mrr``,
        1 / the place of the first hit that shows any gold (0 for none).
    """
    names = [f"{measure}@{k}" for measure in ("found", "lines", "files") for k in CUTS]
    sums = dict.fromkeys([*names, "mrr"], 0.0)
    for case, hits in zip(cases, answers, strict=True):
        for k in CUTS:
            first = hits[:k]
            sums[f"found@{k}"] += _mean(any(gold.found_by(hit) for hit in first) for gold in case.gold)
            sums[f"lines@{k}"] += _mean(_covered(gold, first) for gold in case.gold)
            shown = {hit["path"] for hit in first}
            sums[f"files@{k}"] += _mean(path in shown for path in {gold.path for gold in case.gold})
        place = next((place for place, hit in enumerate(hits, start=1) if any(g.found_by(hit) for g in case.gold)), 0)
        sums["mrr"] += 1.0 / place if place else 0.0
    return {name: round(100.0 * value / max(1, len(cases)), 1) for name, value in sums.items()}


def _covered(gold: Gold, hits: Iterable[Mapping[str, Any]]) -> float:
    lines = {line for hit in hits for line in gold.overlap(hit)}
    return len(lines) / (gold.end_line - gold.start_line + 1)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
