"""Turns what was observed in one run into figures, for each part of it, and prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.latency.journal import HEARTH, Entry
from benchmarks.latency.measured import Measured
from benchmarks.latency.results import samples_of
from benchmarks.load.watching import Usage, loop_lag, processor_share
from benchmarks.report import summary

TIMES = {
    "added_ttft": "added by Hearth, without debounce",
    "raw_ttft": "first token, asked directly (raw)",
    "ttft_fresh": "first text, where the engine was asked",
    "ttft": "first text in the editor, all (ttft)",
    "e2el": "whole answer (e2el)",
    "loop_lag": "event loop late by",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a run, with the server's counters at its two ends. Times are ``time.perf_counter``."""

    name: str
    start: float
    end: float
    before: Mapping[str, float]
    after: Mapping[str, float]


def figures_of(part: Part, measured: Measured, entries: Sequence[Entry], usage: Sequence[Usage]) -> dict[str, Any]:
    """Return the figures of the requests that were sent in one part."""
    asked = [item for item in measured.asked if part.start <= item.sent < part.end]
    places = {(item.session, item.position) for item in asked}
    within = [entry for entry in entries if part.start <= entry.arrived < part.end]
    samples = samples_of(
        replace(measured, asked=asked, raw=[raw for raw in measured.raw if (raw.session, raw.position) in places]),
        [entry for entry in entries if (entry.session, entry.position) in places],
    )
    seconds = part.end - part.start
    used = processor_share(usage)
    figures: dict[str, Any] = {
        "seconds": round(seconds, 1),
        "requests": len(asked),
        "failed": sum(item.outcome == "failed" for item in asked),
        "requests_per_second": round(len(asked) / seconds, 2),
        "engine_requests_per_second": round(sum(entry.origin == HEARTH for entry in within) / seconds, 2),
        "compared": len(samples.times["added_ttft"]),
        "processor_share": used,
        "processor_ms_per_request": round(used * 1000 * seconds / len(asked), 3) if used and asked else None,
    }
    for name in TIMES:
        figures |= summary(name, samples.times[name])
    excluded = samples.excluded + Counter({"requests to the engine not recognised": sum(e.session < 0 for e in within)})
    return {
        **figures,
        **loop_lag(part.before, part.after),
        "excluded": {reason: count for reason, count in excluded.items() if count},
    }


def print_result(console: Console, result: Mapping[str, Any], written: Path) -> None:
    """Print the figures of every part."""
    console.print(
        f"{result['editors']} editors, {result['chunks']:,} chunks, {result['engine']}; {result['machine']}, "
        f"commit {result['commit']}",
        soft_wrap=True,
    )
    table = Table("", *(f"{name}: p50, p95, p99 ms" for name in result["parts"]))
    for name, label in TIMES.items():
        table.add_row(label, *(_percentiles(figures, name) for figures in result["parts"].values()))
    for name, label in (
        ("engine_requests_per_second", "requests to the engine a second"),
        ("requests_per_second", "requests of editors a second"),
        ("failed", "failed"),
        ("processor_share", "of one processor used"),
        ("processor_ms_per_request", "processor ms a request"),
        ("compared", "compared with raw"),
    ):
        table.add_row(label, *(str(figures[name]) for figures in result["parts"].values()))
    console.print(table)
    for name, label in (("errors", "errors"), ("memory", "memory"), ("reindex", "reindex"), ("excluded", "left out")):
        if result[name]:
            said = ", ".join(f"{key} {value}" for key, value in result[name].items())
            console.print(f"{label}: {said}", soft_wrap=True)
    console.print(f"written to {written}", soft_wrap=True)


def _percentiles(figures: Mapping[str, Any], name: str) -> str:
    values = [figures.get(f"{percentile}_{name}_ms") for percentile in ("p50", "p95", "p99")]
    return "  ".join("-" if value is None else f"{value:.1f}" for value in values)
