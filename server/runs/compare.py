"""Says what got better and what worse between two results, and whether that is more than noise.

A time has changed when three things hold: 95 % of bootstrapped differences lie on one side of zero, the difference is
larger than what the seeds of both runs differ by among themselves, and larger than a twentieth and half a millisecond.
A ratio has changed when its difference is larger than what the seeds differ by, and than two points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.runs.figures import RATIOS, TIMES

_PERCENTILES = {"p50": 50, "p95": 95, "p99": 99}
_LEAST_SAMPLES = {"p50": 20, "p95": 60, "p99": 300}
_ROUNDS = 1000
_LEAST_MS, _LEAST_SHARE = 0.5, 0.05
_LEAST_POINTS = 0.02
_LESS_IS_BETTER = {"wasted_token_ratio"}
_NOT_OURS = ("raw_",)


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in two results; ``verdict`` is ``"better"``, ``"worse"`` or ``"same"``."""

    path: str
    name: str
    old: float
    new: float
    verdict: str


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Compare the paths that both results have."""
    changes = []
    for path in new["paths"]:
        if path in old["paths"]:
            changes += list(_times(path, old["paths"][path], new["paths"][path]))
            changes += list(_ratios(path, old["paths"][path], new["paths"][path]))
    return changes


def regressed(changes: Sequence[Change]) -> bool:
    """Whether any figure of Hearth's got worse. The engine's own are shown and do not count."""
    return any(change.verdict == "worse" and not change.name.startswith(_NOT_OURS) for change in changes)


def _times(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for metric in TIMES:
        before = np.asarray(old["samples_ms"].get(metric, ()), dtype=np.float64)
        after = np.asarray(new["samples_ms"].get(metric, ()), dtype=np.float64)
        for label, percentile in _PERCENTILES.items():
            if min(len(before), len(after)) < _LEAST_SAMPLES[label]:
                continue
            name = f"{label}_{metric}_ms"
            least = max(_LEAST_MS, _LEAST_SHARE * abs(old[name]), _spread(old, name), _spread(new, name))
            difference = new[name] - old[name]
            low, high = _interval(before, after, percentile)
            certain = low > 0 or high < 0
            verdict = _verdict(difference) if certain and abs(difference) > least else "same"
            yield Change(path, name, old[name], new[name], verdict)


def _ratios(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in RATIOS:
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            continue
        least = max(_LEAST_POINTS, _spread(old, name), _spread(new, name))
        difference = (after - before) * (1 if name in _LESS_IS_BETTER else -1)
        yield Change(path, name, before, after, _verdict(difference) if abs(difference) > least else "same")


def _interval(before: NDArray[np.float64], after: NDArray[np.float64], percentile: int) -> tuple[float, float]:
    """Return the middle 95 % of bootstrapped differences of a percentile, new less old."""
    chance = np.random.default_rng(1)
    differences = _resampled(after, percentile, chance) - _resampled(before, percentile, chance)
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def _resampled(samples: NDArray[np.float64], percentile: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Return a percentile of many resamples without making them.

    A resample draws places in the sorted samples. The k-th smallest of n places that are uniform in [0, 1) has the
    distribution Beta(k, n + 1 - k), and so one draw from it stands for a whole resample.
    """
    count = len(samples)
    rank = round((count - 1) * percentile / 100) + 1
    places = (chance.beta(rank, count + 1 - rank, _ROUNDS) * count).astype(np.intp)
    resampled: NDArray[np.float64] = np.sort(samples)[places.clip(max=count - 1)]
    return resampled


def _spread(result: Mapping[str, Any], name: str) -> float:
    """Return how far the seeds lie apart; 0 with one seed."""
    values = [seed[name] for seed in result["by_seed"].values() if seed.get(name) is not None]
    return max(values) - min(values) if len(values) > 1 else 0.0


def _verdict(worse_by: float) -> str:
    return "worse" if worse_by > 0 else "better"
