"""What is kept of the metrics over time, and how much of it there is at a moment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from server.completion import metrics as completion
from server.engine import metrics as engine
from server.explain import metrics as explanation
from server.history.percentiles import Bucket, Buckets

STAGES = {"completion": completion.STAGE_SECONDS, "explanation": explanation.STAGE_SECONDS}
"""The times of stages by what they are stages of."""
COUNTERS = (
    completion.SHOWN,
    completion.ACCEPTED,
    completion.REJECTED,
    completion.WATCHED_CHARACTERS,
    completion.RETAINED_CHARACTERS,
    completion.GENERATED_TOKENS,
    completion.WASTED_TOKENS,
    explanation.GENERATED_TOKENS,
    engine.PROMPT_TOKENS,
)


class Series(NamedTuple):
    """One metric with one value for each of its labels.

    ``bounds`` are those between its buckets, in seconds, if it has any: another scale makes it another series.
    """

    metric: str
    labels: tuple[tuple[str, str], ...]
    bounds: tuple[float, ...] = ()

    def label(self, name: str) -> str:
        """Return the value of a label; empty when there is none of that name."""
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much there is of everything that is kept."""

    counts: Mapping[Series, float] = field(default_factory=dict)
    times: Mapping[Series, Buckets] = field(default_factory=dict)

    def since(self, before: Amounts) -> Amounts:
        """Return what has come since ``before``, and only that."""
        counts = {series: value - before.counts.get(series, 0.0) for series, value in self.counts.items()}
        times = {}
        for series, buckets in self.times.items():
            known = before.times.get(series, {})
            grown = {bucket: count - known.get(bucket, 0) for bucket, count in buckets.items()}
            times[series] = {bucket: count for bucket, count in grown.items() if count > 0}
        return Amounts(
            {series: value for series, value in counts.items() if value > 0},
            {series: buckets for series, buckets in times.items() if buckets},
        )


def collect() -> Amounts:
    """Return what this process has counted since it began. Takes milliseconds: call it off the event loop."""
    counts = {series: value for counter in COUNTERS for series, value in _counts(counter)}
    histograms = [
        histogram for stages in STAGES.values() for histogram in (stages.by_model, stages.by_editor, stages.by_team)
    ]
    times = {series: buckets for histogram in histograms for series, buckets in _times(histogram)}
    return Amounts(counts, times)


def name_of(metric: Counter | Histogram) -> str:
    """Return the name under which a metric is kept."""
    (family,) = metric.describe()
    return f"{family.name}_total" if family.type == "counter" else family.name


def _counts(counter: Counter) -> Iterator[tuple[Series, float]]:
    name = name_of(counter)
    for family in counter.collect():
        for sample in family.samples:
            if sample.name == name:
                yield Series(name, tuple(sorted(sample.labels.items()))), sample.value


def _times(histogram: Histogram) -> Iterator[tuple[Series, Buckets]]:
    name = name_of(histogram)
    cumulated: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for family in histogram.collect():
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                labels = tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))
                cumulated.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
    for labels, rows in cumulated.items():
        buckets: dict[Bucket, int] = {}
        lower = below = 0.0
        for upper, value in rows:
            if value > below:
                buckets[lower, upper] = round(value - below)
            lower, below = upper, value
        yield Series(name, labels, tuple(upper for upper, _ in rows if math.isfinite(upper))), buckets
