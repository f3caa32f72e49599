"""How long Hearth waits for the next key."""

from __future__ import annotations

import pytest

from server.completion.debounce import MAX_SECONDS, Debounce
from server.config import CompletionConfig


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def typed(debounce: Debounce, clock: Clock, *gaps: float) -> None:
    debounce.note_key("a")
    for gap in gaps:
        clock.now += gap
        debounce.note_key("a")


def make(clock: Clock, *, start: int = 40, adaptive: bool = True) -> Debounce:
    return Debounce(CompletionConfig(debounce_ms=start, adaptive_debounce=adaptive), clock)


def test_starts_with_what_is_configured() -> None:
    assert make(Clock()).seconds("a") == pytest.approx(0.04)


def test_a_quick_model_is_asked_soon() -> None:
    clock = Clock()
    debounce = make(clock)
    typed(debounce, clock, 0.2, 0.2)
    debounce.note_first_token(0.01)
    assert debounce.seconds("a") == pytest.approx(0.01)


def test_a_slow_model_waits_until_a_key_is_overdue() -> None:
    clock = Clock()
    debounce = make(clock)
    typed(debounce, clock, 0.1, 0.1)
    debounce.note_first_token(0.4)
    assert debounce.seconds("a") == pytest.approx(0.125)
    # Nothing is known of how this one is typed.
    assert debounce.seconds("b") == pytest.approx(0.04)


def test_nobody_waits_long() -> None:
    clock = Clock()
    debounce = make(clock)
    typed(debounce, clock, 0.8)
    debounce.note_first_token(2.0)
    assert debounce.seconds("a") == MAX_SECONDS


def test_pauses_and_changes_of_one_key_are_no_rhythm() -> None:
    clock = Clock()
    debounce = make(clock)
    debounce.note_first_token(0.4)
    typed(debounce, clock, 5.0, 0.001, 0.1, 0.001, 30.0)
    assert debounce.seconds("a") == pytest.approx(0.125)


def test_new_measurements_outweigh_old_ones() -> None:
    clock = Clock()
    debounce = make(clock)
    typed(debounce, clock, *[0.2] * 20, *[0.1] * 20)
    debounce.note_first_token(0.4)
    assert debounce.seconds("a") == pytest.approx(0.125, abs=0.005)


@pytest.mark.parametrize(("start", "adaptive", "seconds"), [(70, False, 0.07), (0, True, 0.0), (0, False, 0.0)])
def test_can_be_switched_off(start: int, adaptive: bool, seconds: float) -> None:
    clock = Clock()
    debounce = make(clock, start=start, adaptive=adaptive)
    typed(debounce, clock, 0.1, 0.1)
    debounce.note_first_token(0.4)
    assert debounce.seconds("a") == pytest.approx(seconds)
