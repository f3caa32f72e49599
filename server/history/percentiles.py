"""Percentiles of times of which only the counts in buckets are known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Bucket = tuple[float, float]
"""Bounds in seconds, the lower one outside and the upper one inside; the last bucket goes to infinity."""
Buckets = Mapping[Bucket, int]
"""How many times lie in which bucket; what is not there is 0."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How many times there were, and the seconds that half, 95 % and 99 % of them took at most; 0.0 without any."""

    count: int
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, buckets: Buckets) -> Percentiles:
        """Compute them."""
        return cls(sum(buckets.values()), *(quantile(buckets, share) for share in (0.5, 0.95, 0.99)))


def merged(parts: Iterable[Buckets]) -> Buckets:
    """Return the counts of all parts together; their buckets may be of different scales."""
    together: Counter[Bucket] = Counter()
    for part in parts:
        together.update(part)
    return together


def quantile(buckets: Buckets, share: float) -> float:
    """Return the seconds that ``share`` (0 to 1) of the times took at most; 0.0 when there are none.

    As Prometheus' ``histogram_quantile`` does: within the bucket that the wanted rank falls into, times are taken to be
    spread evenly, so that the result is at most the width of that bucket away. Beyond the last bound it is that bound.
    """
    rank = share * sum(buckets.values())
    below = 0
    for (lower, upper), count in sorted(buckets.items(), key=lambda item: item[0][1]):
        if count and below + count >= rank:
            return lower if math.isinf(upper) else lower + (upper - lower) * (rank - below) / count
        below += count
    return 0.0
