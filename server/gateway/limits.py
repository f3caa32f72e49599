"""How much one user may ask for: a bucket of tokens for each kind of work, refilled evenly over a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.config import LimitsConfig
from server.errors import LimitReached
from server.principal import Work

_MINUTE = 60.0


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RateLimits:
    """Counts what each user asks for, over all of their connections.

    Args:
        config: How many a minute; 0 means no limit.
        clock: Seconds that only grow.
    """

    def __init__(self, config: LimitsConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._per_minute: Mapping[Work, int] = {
            Work.COMPLETE: config.completions,
            Work.EXPLAIN: config.explanations,
            Work.SEARCH: config.searches,
            Work.HOVER: config.searches,
        }
        self._buckets: dict[tuple[str, Work], _Bucket] = {}

    def take(self, user: str, work: Work) -> None:
        """Count one piece of work.

        Raises:
            LimitReached: There was too much of it within a minute.
        """
        size = self._per_minute[work]
        if not size:
            return
        now = self._clock()
        bucket = self._buckets.setdefault((user, work), _Bucket(size, now))
        bucket.left = min(size, bucket.left + (now - bucket.at) * size / _MINUTE)
        bucket.at = now
        if bucket.left < 1:
            wait = (1 - bucket.left) * _MINUTE / size
            raise LimitReached(
                f"more than {size} requests of the kind {work.value!r} within a minute",
                advice=f"Try again in {wait:.0f} s.",
                retry_after=wait,
            )
        bucket.left -= 1
