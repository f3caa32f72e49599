"""How many requests of one kind a user may make."""

from __future__ import annotations

import pytest

from server.config import LimitsConfig
from server.errors import LimitReached
from server.gateway.limits import RateLimits
from server.principal import Work


def test_a_burst_is_taken_and_the_rest_evenly() -> None:
    now = [0.0]
    limits = RateLimits(LimitsConfig(explanations=6, completions=0), lambda: now[0])
    for _ in range(6):
        limits.take("ana", Work.EXPLAIN)
    with pytest.raises(LimitReached) as refused:
        limits.take("ana", Work.EXPLAIN)
    assert refused.value.retry_after == pytest.approx(10.0)
    limits.take("ben", Work.EXPLAIN)
    limits.take("ana", Work.SEARCH)
    now[0] = 10.0
    limits.take("ana", Work.EXPLAIN)
    with pytest.raises(LimitReached):
        limits.take("ana", Work.EXPLAIN)
    for _ in range(1000):
        limits.take("ana", Work.COMPLETE)


def test_a_clock_on_the_wall_that_jumps_changes_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = RateLimits(LimitsConfig(explanations=1))
    limits.take("ana", Work.EXPLAIN)
    for jump in (-(10**9), 10**9):
        monkeypatch.setattr("time.time", lambda jump=jump: 1_800_000_000.0 + jump)
        with pytest.raises(LimitReached):
            limits.take("ana", Work.EXPLAIN)
