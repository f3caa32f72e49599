"""The circuit breaker, on a clock that the test turns."""

from __future__ import annotations

import pytest

from server.engine.breaker import BreakerState, CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(failures=2, retry_seconds=5.0, retry_max_seconds=30.0, clock=clock)


def open_it(breaker: CircuitBreaker) -> None:
    for _ in range(2):
        assert breaker.allows()
        breaker.failed()
    assert breaker.state is BreakerState.OPEN


def test_one_failure_between_successes_changes_nothing(breaker: CircuitBreaker) -> None:
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    open_it(breaker)
    assert not breaker.allows()
    assert breaker.retry_in == 5.0


def test_after_a_pause_one_trial_decides(breaker: CircuitBreaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 5.0
    assert breaker.allows()
    assert not breaker.allows()  # one at a time
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_a_cancelled_trial_leaves_room_for_the_next(breaker: CircuitBreaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 5.0
    assert breaker.allows()
    breaker.released()
    assert breaker.allows()


def test_the_pause_grows_with_failed_trials_up_to_its_limit(breaker: CircuitBreaker, clock: Clock) -> None:
    open_it(breaker)
    pauses = []
    for _ in range(5):
        clock.now += breaker.retry_in
        assert breaker.allows()
        breaker.failed()
        pauses.append(breaker.retry_in)
    assert pauses == [10.0, 20.0, 30.0, 30.0, 30.0]


def test_an_engine_that_asks_for_time_gets_it_within_bounds(breaker: CircuitBreaker) -> None:
    breaker.failed(retry_after=12.0)
    assert breaker.retry_in == 12.0
    other = CircuitBreaker(failures=2, retry_seconds=5.0, retry_max_seconds=30.0)
    other.failed(retry_after=1e9)
    assert other.retry_in <= 30.0


def test_late_failures_do_not_prolong_the_pause(breaker: CircuitBreaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 4.0
    breaker.failed()
    assert breaker.retry_in == 1.0


def test_it_can_be_opened_and_tried_from_outside(breaker: CircuitBreaker) -> None:
    breaker.trip()
    assert not breaker.allows()
    breaker.try_now()
    assert breaker.allows()
