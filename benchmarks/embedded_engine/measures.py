"""Figures of merit for suggestions against what was really written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cursor: the best suggestion (empty for none), its confidence, the truth, and what the plain copy said."""

    suggested: str
    confidence: float
    truth: str
    copied: str
    reachable: bool
    """Whether any candidate was right."""
    variant: str
    milliseconds: float

    @property
    def right(self) -> bool:
        """Whether the suggestion is what was written, white space at both ends aside."""
        return bool(self.truth.strip()) and self.suggested.strip() == self.truth.strip()


def edit_similarity(one: str, other: str) -> float:
    """Return 2 · LCS / (length of both), 0..1: the ratio without substitutions that CodeXGLUE reports."""
    one, other = one.strip(), other.strip()
    if not one or not other:
        return float(one == other)
    # Bit-parallel longest common subsequence (Hyyrö, 2004).
    masks: dict[str, int] = {}
    for place, mark in enumerate(one):
        masks[mark] = masks.get(mark, 0) | 1 << place
    full = (1 << len(one)) - 1
    row = full
    for mark in other:
        match = row & masks.get(mark, 0)
        row = ((row + match) | (row - match)) & full
    return 2 * (len(one) - row.bit_count()) / (len(one) + len(other))


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return exact match, edit similarity, precision of the surest, precision and coverage by confidence."""
    if not outcomes:
        return {"cursors": 0}
    right = np.array([outcome.right for outcome in outcomes])
    confidence = np.array([outcome.confidence for outcome in outcomes])
    copied = [outcome.copied.strip() == outcome.truth.strip() for outcome in outcomes]
    order = np.argsort(-confidence, kind="stable")
    summary: dict[str, Any] = {
        "cursors": len(outcomes),
        "exact_match": float(right.mean()),
        "edit_similarity": float(np.mean([edit_similarity(o.suggested, o.truth) for o in outcomes])),
        "oracle": float(np.mean([outcome.reachable for outcome in outcomes])),
        "copy_exact_match": float(np.mean(copied)),
        "copy_edit_similarity": float(np.mean([edit_similarity(o.copied, o.truth) for o in outcomes])),
    }
    for percent in (5, 10, 20, 30):
        surest = order[: max(1, len(order) * percent // 100)]
        summary[f"precision_surest_{percent}"] = float(right[surest].mean())
    for least in (0.3, 0.5, 0.7):
        spoken = confidence >= least
        summary[f"coverage_{least}"] = float(spoken.mean())
        summary[f"precision_{least}"] = float(right[spoken].mean()) if spoken.any() else None
    times = np.array([outcome.milliseconds for outcome in outcomes])
    summary["p50_ms"], summary["p99_ms"] = (round(float(value), 2) for value in np.percentile(times, [50, 99]))
    return summary


def calibration(outcomes: Sequence[Outcome]) -> list[dict[str, float]]:
    """Return, for tenths of confidence, the number of cursors, the mean confidence and the share that is right."""
    rows = []
    for low in range(10):
        among = [o for o in outcomes if o.suggested and low <= min(9, int(o.confidence * 10)) < low + 1]
        if among:
            rows.append(
                {
                    "from": low / 10,
                    "cursors": len(among),
                    "confidence": float(np.mean([o.confidence for o in among])),
                    "right": float(np.mean([o.right for o in among])),
                }
            )
    return rows
