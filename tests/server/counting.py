"""What a test adds to metrics that the whole process shares."""

from __future__ import annotations

from prometheus_client import REGISTRY


class Counting:
    """Remembers the samples of one metric (its name as it is exported, ``hearth_…_total``) as they are now."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._before = self._samples()

    def added(self) -> dict[tuple[str, ...], float]:
        """How much each sample has grown since then, by the values of its labels; only those that have."""
        now = self._samples()
        grown = {labels: value - self._before.get(labels, 0.0) for labels, value in now.items()}
        return {labels: value for labels, value in grown.items() if value}

    def _samples(self) -> dict[tuple[str, ...], float]:
        return {
            tuple(sample.labels.values()): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
            if sample.name == self._name
        }


def total(name: str, **labels: str) -> float:
    """Return the sum of all samples of a metric, by its exported name, that have these labels and maybe others."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
