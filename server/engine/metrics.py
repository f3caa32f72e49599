"""What engines do, for Prometheus, and the scales that every time of an answer is measured with."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.0175, 0.02),
    *(0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0),
)
"""Bounds of the buckets of all times, fine enough around 20 ms to tell a p95 of 19 ms from one of 21 ms."""

ASKED = Counter(
    "hearth_engine_requests_total",
    "Requests to one engine by what came of them: answered, failed, broken-off, cancelled or passed-over.",
    ["engine", "task", "outcome"],
)
FAILURES = Counter(
    "hearth_engine_failures_total", "Requests that an engine failed, by the error's code.", ["engine", "task", "code"]
)
STEPS = Counter(
    "hearth_ladder_steps_total", "Changes of the engine that completions are asked of.", ["from_engine", "to_engine"]
)
LADDERS = Gauge("hearth_ladders", "Ladders of engines in this process by the engine they stand on.", ["engine"])

_MAX_MODELS = 32
_models: set[str] = set()


def model_label(model: str) -> str:
    """Return the model's name as a label; beyond the first 32 names of a process it is ``"other"``.

    A model server may list any number of names, and each label is kept for as long as the process lives.
    """
    if model not in _models:
        if len(_models) >= _MAX_MODELS:
            return "other"
        _models.add(model)
    return model
