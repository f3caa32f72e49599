"""How long the stages of completions and explanations took over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.history.measures import STAGES, name_of
from server.history.percentiles import Buckets, Percentiles, merged
from server.history.spans import Span, Split, Window
from server.history.store import DAY, HOUR, MINUTE, History

_STEPS = {Span.HOUR: MINUTE, Span.DAY: 15 * MINUTE, Span.WEEK: 3 * HOUR, Span.MONTH: DAY}
WORK = tuple(STAGES)
"""What has stages: ``"completion"`` and ``"explanation"``."""
STAGE_NAMES = (
    *("first_text", "total", "debounce", "gather", "retrieve", "prompt", "queue", "first_token", "per_token"),
    *("engine", "post_process", "fit"),
)
"""Every stage, that which users feel most first."""


@dataclass(frozen=True, slots=True)
class Times:
    """Times of one kind: all of them, and step by step."""

    name: str
    all: Percentiles
    steps: tuple[Percentiles, ...] = ()


@dataclass(frozen=True, slots=True)
class Latency:
    """What there is to say of one span.

    Attributes:
        window: The span.
        stages: Every stage that took time, without steps.
        groups: The stage that was asked for, by name of what it is split by; those with the most times first.
    """

    window: Window
    stages: tuple[Times, ...]
    groups: tuple[Times, ...]


def latency(history: History, work: str, stage: str, span: Span, *, split: Split, now: float | None = None) -> Latency:
    """Return how long things took. Blocks.

    Args:
        history: Where it is kept.
        work: One of ``WORK``.
        stage: One of ``STAGE_NAMES``.
        span: How far back.
        split: What to tell apart.
        now: Seconds since the epoch; None means the clock's.

    Raises:
        HistoryError: It cannot be read.
    """
    window = Window.of(span, _STEPS[span], now)
    histograms = STAGES[work]
    chosen = {Split.EDITOR: histograms.by_editor, Split.TEAM: histograms.by_team}.get(split, histograms.by_model)
    metric = [name_of(chosen)]
    by_stage: dict[str, list[Buckets]] = defaultdict(list)
    for series, _, buckets in history.times(metric, window.whole):
        by_stage[series.label("stage")].append(buckets)
    by_group: dict[str, dict[int, list[Buckets]]] = defaultdict(lambda: defaultdict(list))
    for series, step, buckets in history.times(metric, window.steps, lambda series: series.label("stage") == stage):
        by_group[series.label(split.value)][step].append(buckets)
    groups = [_times(name, steps, len(window.moments)) for name, steps in by_group.items()]
    return Latency(
        window,
        tuple(Times(name, Percentiles.of(merged(by_stage[name]))) for name in STAGE_NAMES if name in by_stage),
        tuple(sorted(groups, key=lambda group: (-group.all.count, group.name))),
    )


def _times(name: str, steps: Mapping[int, Sequence[Buckets]], number: int) -> Times:
    together = [merged(steps.get(step, ())) for step in range(number)]
    return Times(name, Percentiles.of(merged(together)), tuple(map(Percentiles.of, together)))
