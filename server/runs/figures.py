"""What is measured, what each figure means, and what it is to reach: one text for pages, tables and documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TIMES = ("ttft", "ttft_fresh", "e2el", "itl", "raw_ttft", "raw_e2el", "raw_itl", "added_ttft", "cancel")
RATIOS = ("wasted_token_ratio", "prefix_cache_hit_ratio", "later_prefix_cache_hit_ratio", "keystrokes_saved")
STAGES = ("debounce", "before the engine", "engine", "behind the engine")
"""Before: from the request to its arrival at the engine, less debounce. Engine: until it sent its first text. Behind:
until that was in the editor."""
PERCENTILES = ("p50", "p95", "p99")
ROWS = {
    "ttft": "first text in the editor, all (ttft)",
    "ttft_fresh": "first text, where the engine was asked",
    "raw_ttft": "first token, asked directly (raw)",
    "added_ttft": "added by Hearth, without debounce",
    "e2el": "whole answer (e2el)",
    "itl": "between texts (itl)",
    "cancel": "cancel to closed connection",
}
"""The times that tables show, and how they call them."""
SHARES = {
    "wasted_token_ratio": "tokens wasted",  # tokens of text, no secret  # nosec B105
    "prefix_cache_hit_ratio": "prompt tokens from the prefix cache",
    "later_prefix_cache_hit_ratio": "without each session's first prompt",
    "keystrokes_saved": "keys saved",
}
DEFINITIONS = {
    "ttft": "From sending the editor's request to the first text that can be shown, everything included. Of all "
    "answers, also those that Hearth gave without asking the engine.",
    "ttft_fresh": "The same, of those answers alone for which the engine was asked.",
    "raw_ttft": "From sending the same prompt directly to the engine, in the same run, to the first text that is "
    "not white space. Hearth's prompts are asked again in their order under a cache salt of their own, "
    "so that the prefix cache knows as much of each as it did of Hearth's.",
    "added_ttft": "ttft_fresh less debounce less raw_ttft, of the same prompt. Debounce is the wait for the next key, "
    "which is meant and not a cost of Hearth's; what is gathered and written meanwhile costs nothing "
    "either, what comes later counts.",
    "e2el": "From the request to the whole answer.",
    "itl": "Between one text on the screen and the next. Hearth looks at what has been written every 20 ms.",
    "cancel": "From what made a request irrelevant to the end of its connection at the engine: a key or a token "
    "that contradict each other, the document's closing, or `$/cancelRequest` alone, which is given 8 "
    "ms of grace, and does not count when a key that fits follows within 10 ms.",
    # Tokens of text, no secret.
    "wasted_token_ratio": "Tokens, as the engine counted them, of requests whose text never was in a whole "  # nosec B105
    "answer, of all tokens for Hearth.",
    "prefix_cache_hit_ratio": "Tokens of Hearth's prompts that were in the prefix cache, in blocks of 16, of "
    "all tokens of its prompts. From vLLM's own metrics where there is a vLLM, which then count the direct requests as "
    "well.",
    "later_prefix_cache_hit_ratio": "The same without the first request of each session, whose file the engine has "
    "not seen.",
    "keystrokes_saved": "Keys not pressed, of all characters typed. The user takes a suggestion only if it "
    "has stood still on the screen for as long as they read (about 0.4 s, log-normal), is right in whole, and "
    "saves two keys; taking it costs a key.",
}

COUNTS = ("requests", "answered", "silent", "cancelled", "failed", "engine_requests", "accepted")
"""How many requests an editor made, what became of them, and how many suggestions were taken."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one figure; ``crowded`` is the bound when many type at once."""

    name: str
    title: str
    alone: float
    crowded: float
    at_least: bool = False
    unit: str = "ms"

    def bound(self, sessions: int) -> float:
        """Return the bound for so many sessions at once."""
        return self.alone if sessions == 1 else self.crowded

    def shown(self, value: float) -> str:
        """Return a value as people read it."""
        return f"{value:.1%}" if self.unit == "%" else f"{value:.1f} {self.unit}"


TARGETS = (
    Target("p50_added_ttft_ms", "added TTFT, p50", 5.0, 10.0),
    Target("p95_added_ttft_ms", "added TTFT, p95", 15.0, 30.0),
    Target("p99_cancel_ms", "cancel to closed connection, p99", 20.0, 40.0),
    Target("wasted_token_ratio", "tokens wasted", 0.15, 0.15, unit="%"),
    Target("prefix_cache_hit_ratio", "prompt tokens from the prefix cache", 0.8, 0.8, at_least=True, unit="%"),
)


@dataclass(frozen=True, slots=True)
class Reached:
    """What became of one target on one path; ``shown`` is the value beside its bound, for people."""

    title: str
    path: str
    shown: str
    reached: bool


def reached(result: Mapping[str, Any]) -> Iterator[Reached]:
    """Yield what became of each target that was measured, path by path."""
    for path, values in result["paths"].items():
        for target in TARGETS:
            value = values.get(target.name)
            if value is not None:
                bound = target.bound(result["sessions"])
                sign = "≥" if target.at_least else "≤"
                fine = value >= bound if target.at_least else value <= bound
                yield Reached(target.title, path, f"{target.shown(value)} ({sign} {target.shown(bound)})", fine)
