"""What explanations cost and yield, for Prometheus. No label carries text, paths or users."""

from __future__ import annotations

from prometheus_client import Counter

from server.engine.metrics import StageHistograms

STAGE_SECONDS = StageHistograms("hearth_explanation", "an explanation")
EXPLANATIONS = Counter(
    "hearth_explanations_total",
    "Explanations by how they ended: explained, ended-early (broken off or too long), stopped (nobody reads), failed.",
    ["engine", "outcome"],
)
GENERATED_TOKENS = Counter(
    "hearth_explanation_tokens_total",
    "Tokens that engines generated for explanations.",
    ["engine", "model", "editor", "team"],
)
