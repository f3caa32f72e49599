"""What completions cost and yield, for Prometheus. No label carries text, paths or users."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from server.engine.metrics import SECONDS, StageHistograms

_WHO = ["engine", "model", "editor", "team"]

STAGE_SECONDS = StageHistograms("hearth_completion", "a completion")
FIRST_TEXT_SECONDS = Histogram(
    "hearth_completion_first_text_seconds",
    "Time from the request to the first text that can be shown.",
    ["engine"],
    buckets=SECONDS,
)
SHOWN_SECONDS = Histogram(
    "hearth_suggestions_latency_seconds",
    "Time from asking to the first text of a suggestion that was shown, as editors measured it.",
    ["engine"],
    buckets=SECONDS,
)
COMPLETIONS = Counter(
    "hearth_completions_total",
    "Completions by how their making ended: suggested, empty, cancelled or failed.",
    ["engine", "outcome"],
)
ENGINE_REQUESTS = Counter("hearth_completion_engine_requests_total", "Requests to engines for completions.", ["engine"])
RECYCLED = Counter(
    "hearth_completions_recycled_total",
    "Completions served by a request to an engine that was under way for an earlier key.",
    ["engine"],
)
CACHE_HITS = Counter(
    "hearth_completion_cache_hits_total",
    "Completions served from a finished text that the user types along.",
    ["engine"],
)
STAND_INS = Counter(
    "hearth_completion_stand_ins_total",
    "Suggestions shown until a model's first token, by what the model made of them: continued, replaced or left.",
    ["outcome"],
)
SPECULATIVE = Counter(
    "hearth_completion_speculative_requests_total",
    "Requests to a model begun when a suggestion was taken, before an editor asked for the next one.",
)
GENERATED_TOKENS = Counter("hearth_completion_tokens_total", "Tokens that engines generated for completions.", _WHO)
SHOWN_TOKENS = Counter(
    "hearth_completion_shown_tokens_total",
    "Tokens of suggestions that an editor reported as shown.",
    _WHO,
)
ACCEPTED_TOKENS = Counter("hearth_completion_accepted_tokens_total", "Tokens of what was taken of suggestions.", _WHO)
WASTED_TOKENS = Counter(
    "hearth_completion_wasted_tokens_total",
    "Tokens of completions that never were in a whole answer: cancelled, failed, empty, unread or speculative.",
    [*_WHO, "reason"],
)
SHOWN = Counter("hearth_suggestions_shown_total", "Suggestions that an editor reported as shown.", _WHO)
ACCEPTED = Counter("hearth_suggestions_accepted_total", "Suggestions taken, wholly or in part.", [*_WHO, "extent"])
REJECTED = Counter("hearth_suggestions_rejected_total", "Suggestions that were shown and turned down.", _WHO)
ACCEPTED_CHARACTERS = Counter(
    "hearth_suggestions_accepted_characters_total", "Characters of suggestions that were taken.", _WHO
)
WATCHED_CHARACTERS = Counter(
    "hearth_suggestions_watched_characters_total",
    "Characters taken of suggestions that were looked at some time later, in documents that were open until then.",
    [*_WHO, "after"],
)
RETAINED_CHARACTERS = Counter(
    "hearth_suggestions_retained_characters_total",
    "Characters taken of suggestions that still stood in the document when they were looked at.",
    [*_WHO, "after"],
)
UNWATCHED = Counter(
    "hearth_suggestions_unwatched_total",
    "Suggestions taken that were not followed to the end: closed, crowded or unplaced.",
    ["reason"],
)
