"""How much was suggested and taken, how many tokens that took, and what those would cost where they are sold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields

from server.completion import metrics as completion
from server.engine import metrics as engine
from server.explain import metrics as explanation
from server.history.measures import Series, name_of
from server.history.prices import Prices
from server.history.spans import Span, Split, Window
from server.history.store import DAY, HOUR, MINUTE, History

_STEPS = {Span.HOUR: 5 * MINUTE, Span.DAY: HOUR, Span.WEEK: DAY, Span.MONTH: DAY}


@dataclass(slots=True)
class Used:
    """How much of everything there was.

    Attributes:
        shown: Suggestions that an editor reported as shown.
        accepted: Those that were taken, wholly or in part.
        watched_30s: Characters taken that were looked at 30 seconds later.
        retained_30s: Those of them that still stood there.
        watched_10min: As ``watched_30s``, 10 minutes later.
        retained_10min: As ``retained_30s``.
        prompt_tokens: Tokens of prompts.
        completion_tokens: Tokens generated for completions.
        explanation_tokens: Tokens generated for explanations.
        wasted_tokens: Tokens of completions that nobody ever saw.
        cost: What the tokens that have a price would cost.
        unpriced_tokens: Tokens that have none.
    """

    shown: float = 0.0
    accepted: float = 0.0
    watched_30s: float = 0.0
    retained_30s: float = 0.0
    watched_10min: float = 0.0
    retained_10min: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    explanation_tokens: float = 0.0
    wasted_tokens: float = 0.0
    cost: float = 0.0
    unpriced_tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class UsedBy:
    """What one of those told apart used: all of it, and step by step."""

    name: str
    all: Used
    steps: tuple[Used, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What there is to say of one span; those who used most come first."""

    window: Window
    prices: Prices
    all: UsedBy
    groups: tuple[UsedBy, ...]


_FIELDS: Mapping[str, str] = {
    name_of(completion.SHOWN): "shown",
    name_of(completion.ACCEPTED): "accepted",
    name_of(completion.WATCHED_CHARACTERS): "watched",
    name_of(completion.RETAINED_CHARACTERS): "retained",
    name_of(engine.PROMPT_TOKENS): "prompt_tokens",
    name_of(completion.GENERATED_TOKENS): "completion_tokens",
    name_of(explanation.GENERATED_TOKENS): "explanation_tokens",
    name_of(completion.WASTED_TOKENS): "wasted_tokens",
}
_PRICED = frozenset({"prompt_tokens", "completion_tokens", "explanation_tokens"})


def usage(history: History, span: Span, split: Split, now: float | None = None) -> Usage:
    """Return how much was used. Blocks.

    Args:
        history: Where it is kept.
        span: How far back.
        split: What to tell apart.
        now: Seconds since the epoch; None means the clock's.

    Raises:
        HistoryError: It cannot be read.
    """
    window = Window.of(span, _STEPS[span], now)
    prices = history.prices()
    by_group: dict[str, list[Used]] = defaultdict(lambda: [Used() for _ in window.moments])
    everything = [Used() for _ in window.moments]
    for series, step, value in history.counts(list(_FIELDS), window.steps):
        _add(everything[step], series, value, prices)
        if split is not Split.NOTHING:
            _add(by_group[series.label(split.value)][step], series, value, prices)
    groups = [_together(name, steps) for name, steps in by_group.items()]
    return Usage(
        window,
        prices,
        _together("", everything),
        tuple(sorted(groups, key=lambda group: (-group.all.shown, -group.all.prompt_tokens, group.name))),
    )


def _add(used: Used, series: Series, value: float, prices: Prices) -> None:
    look = series.label("after")
    name = f"{_FIELDS[series.metric]}_{look}" if look else _FIELDS[series.metric]
    setattr(used, name, getattr(used, name) + value)
    if name not in _PRICED:
        return
    price = prices.of(series.label("model"))
    if price is None:
        used.unpriced_tokens += value
    else:
        used.cost += price.of(value, 0.0) if name == "prompt_tokens" else price.of(0.0, value)


def _together(name: str, steps: list[Used]) -> UsedBy:
    sums = {one.name: sum(getattr(used, one.name) for used in steps) for one in fields(Used)}
    return UsedBy(name, Used(**sums), tuple(steps))
