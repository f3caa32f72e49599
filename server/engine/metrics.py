"""What engines do, for Prometheus, and the scales that every time of an answer is measured with."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from server.tracing import Trace
from server.types import Caller

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

PROMPT_TOKENS = Counter(
    "hearth_engine_prompt_tokens_total",
    "Tokens of the prompts that model servers accepted, also of requests that were cancelled later.",
    ["engine", "task", "model", "editor", "team"],
)

_NONE = "none"
_MAX_MODELS = 32
_models: set[str] = set()


class StageHistograms:
    """How long the stages of one kind of work take: the same times three times over, by model, by editor and by team.

    One histogram with all three labels would be as many series as their product, with dozens of buckets each.

    Args:
        prefix: What the names of the metrics begin with.
        work: What is timed, for people.
    """

    def __init__(self, prefix: str, work: str) -> None:
        self.by_model = Histogram(
            f"{prefix}_stage_seconds", f"Time of one stage of {work}, by model.", ["stage", "model"], buckets=SECONDS
        )
        self.by_editor = Histogram(
            f"{prefix}_editor_stage_seconds",
            f"Time of one stage of {work}, by editor.",
            ["stage", "editor"],
            buckets=SECONDS,
        )
        self.by_team = Histogram(
            f"{prefix}_team_stage_seconds", f"Time of one stage of {work}, by team.", ["stage", "team"], buckets=SECONDS
        )


class StageTimes:
    """The times of one request, kept until it is known which model it was that took them.

    Args:
        histograms: Where they are counted.
        caller: On whose behalf.
        trace: Is told of them as well, if the request is traced.
    """

    def __init__(self, histograms: StageHistograms, caller: Caller, trace: Trace | None = None) -> None:
        self._histograms = histograms
        self._caller = caller
        self._trace = trace
        self._noted: dict[str, list[float]] = {}

    def note(self, stage: str, seconds: float) -> None:
        """Keep the time of a stage, which has just ended."""
        if self._trace is not None:
            self._trace.note(stage, seconds)
        self._noted.setdefault(stage, []).append(seconds)

    def count(self, model: str) -> None:
        """Count what was kept; ``model`` is empty when the request ended before an engine answered."""
        label, (editor, team) = model_label(model), caller_labels(self._caller)
        for stage, times in self._noted.items():
            for histogram in (
                self._histograms.by_model.labels(stage, label),
                self._histograms.by_editor.labels(stage, editor),
                self._histograms.by_team.labels(stage, team),
            ):
                for seconds in times:
                    histogram.observe(seconds)
        self._noted.clear()
        if self._trace is not None:
            self._trace.end(model=label, editor=editor, team=team)


def caller_labels(caller: Caller) -> tuple[str, str]:
    """Return the editor and the team of a caller as labels; of both there are only a few."""
    return caller.editor or _NONE, caller.team or _NONE


def model_label(model: str) -> str:
    """Return the model's name as a label; beyond the first 32 names of a process it is ``"other"``.

    A model server may list any number of names, and each label is kept for as long as the process lives.
    """
    if not model:
        return _NONE
    if model not in _models:
        if len(_models) >= _MAX_MODELS:
            return "other"
        _models.add(model)
    return model
