"""What explanations cost and yield, for Prometheus. No label carries text, paths or users."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from server.engine.metrics import SECONDS

STAGE_SECONDS = Histogram(
    "hearth_explanation_stage_seconds", "Time of one stage of an explanation.", ["stage"], buckets=SECONDS
)
EXPLANATIONS = Counter(
    "hearth_explanations_total",
    "Explanations by how they ended: explained, stopped (nobody reads on) or failed.",
    ["engine", "outcome"],
)
GENERATED_TOKENS = Counter(
    "hearth_explanation_tokens_total", "Tokens that engines generated for explanations.", ["engine", "model"]
)
