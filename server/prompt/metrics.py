"""What was kept out of prompts, for Prometheus. No label carries text, paths or users."""

from __future__ import annotations

from prometheus_client import Counter

SECRETS_ALLOWED = Counter(
    "hearth_secrets_allowed_total",
    "What looks like a secret and went into what a model server is asked, because the settings allow it; by where it "
    "stood and the rule that found it.",
    ["where", "rule"],
)
SECRETS_WITHHELD = Counter(
    "hearth_secrets_withheld_total",
    "Secrets that were kept out of what a model server is asked, by where they stood and the rule that found them.",
    ["where", "rule"],
)
