"""Turns what was observed into the figures that are reported, with the names of ``vllm bench serve``."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.latency.engine_use import cancel_seconds, wasted
from benchmarks.latency.journal import ABORTED, HEARTH, RAW, Entry
from benchmarks.latency.measured import Measured
from benchmarks.report import summary
from server.runs.figures import STAGES, TIMES

_KEPT_SAMPLES = 4000
_SLOWEST = 20


@dataclass(slots=True)
class Samples:
    """Times and stages in seconds by name, counts, and what was left out by reason."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    timeline: list[tuple[float, int, int]] = field(default_factory=list)
    """(seconds since the start, tokens generated, tokens wasted) for each request to the engine."""
    slowest: list[dict[str, Any]] = field(default_factory=list)
    """The answers to which Hearth added most, with what each of its stages took."""


def samples_of(measured: Measured, entries: Sequence[Entry]) -> Samples:
    """Take the samples of one replay; ``entries`` are those of its time at the engine."""
    samples = Samples()
    _take_answers(measured, samples)
    _take_pairs(measured, entries, samples)
    own = [entry for entry in entries if entry.origin == HEARTH and entry.session in measured.typed]
    samples.excluded["requests to the engine that were not recognised"] += sum(
        entry.origin == HEARTH and entry.session < 0 for entry in entries
    )
    samples.times["cancel"] += cancel_seconds([entry for entry in entries if entry.origin == HEARTH], measured)
    begun: set[int] = set()
    for entry, in_vain in zip(own, wasted(own, measured), strict=True):
        samples.counts["engine_requests"] += 1
        samples.counts["engine_aborted"] += entry.outcome == ABORTED
        samples.counts["generated_tokens"] += entry.tokens
        samples.counts["wasted_tokens"] += entry.tokens * in_vain
        samples.timeline.append((round(entry.arrived - measured.started, 3), entry.tokens, entry.tokens * in_vain))
        if entry.cached_tokens >= 0:
            samples.counts["prompt_tokens"] += entry.prompt_tokens
            samples.counts["cached_tokens"] += entry.cached_tokens
            if entry.session in begun:
                samples.counts["later_prompt_tokens"] += entry.prompt_tokens
                samples.counts["later_cached_tokens"] += entry.cached_tokens
        begun.add(entry.session)
    return samples


def merged(many: Iterable[Samples]) -> Samples:
    """Put the samples of several seeds together."""
    total = Samples()
    for samples in many:
        for name, values in samples.times.items():
            total.times[name] += values
        for name, values in samples.stages.items():
            total.stages[name] += values
        total.counts += samples.counts
        total.excluded += samples.excluded
        total.timeline += samples.timeline
        total.slowest += samples.slowest
    return total


def figures(samples: Samples) -> dict[str, Any]:
    """Return the figures of some samples as one flat object."""
    counts = samples.counts
    result: dict[str, Any] = {name: counts[name] for name in sorted(counts)}
    for name in TIMES:
        result |= summary(name, samples.times[name])
    result["wasted_token_ratio"] = _ratio(counts["wasted_tokens"], counts["generated_tokens"])
    result["prefix_cache_hit_ratio"] = _ratio(counts["cached_tokens"], counts["prompt_tokens"])
    later = _ratio(counts["later_cached_tokens"], counts["later_prompt_tokens"])
    result["later_prefix_cache_hit_ratio"] = later
    result["keystrokes_saved"] = _ratio(counts["saved_keys"], counts["characters"])
    return result


def report(samples: Samples, by_seed: Mapping[int, Samples]) -> dict[str, Any]:
    """Return all that is written about one path: figures, those of each seed, stages, samples, what was left out."""
    return {
        **figures(samples),
        "stages_ms": {name: round(_median(samples.stages[name]) * 1000, 3) for name in STAGES},
        "excluded": {reason: count for reason, count in samples.excluded.items() if count},
        "by_seed": {str(seed): figures(one) for seed, one in by_seed.items()},
        "samples_ms": {name: _thinned(samples.times[name]) for name in TIMES},
        "slowest": sorted(samples.slowest, key=lambda one: -one["added_ttft_ms"])[:_SLOWEST],
        "timeline": samples.timeline[:: max(1, len(samples.timeline) // _KEPT_SAMPLES)],
    }


def _take_answers(measured: Measured, samples: Samples) -> None:
    counts = samples.counts
    counts["keys"], counts["characters"] = measured.keys, measured.characters
    counts["saved_keys"], counts["accepted"], counts["shown"] = measured.saved, measured.accepted, measured.shown
    counts["requests"] = len(measured.asked)
    for asked in measured.asked:
        counts[asked.outcome] += 1
        counts["completed"] += asked.outcome in {"answered", "silent"}
        counts["exactly_right"] += bool(asked.text) and measured.typed[asked.session].startswith(
            asked.text, asked.position
        )
        if asked.first:
            samples.times["ttft"].append(asked.first - asked.sent)
            counts[f"reuse_{asked.reuse or 'none'}"] += 1
        elif asked.outcome == "cancelled":
            samples.excluded["requests overtaken or taken back before their first text"] += 1
        if asked.outcome == "answered":
            samples.times["e2el"].append(asked.ended - asked.sent)
        samples.times["itl"] += [later - earlier for earlier, later in itertools.pairwise(asked.arrivals)]


def _take_pairs(measured: Measured, entries: Sequence[Entry], samples: Samples) -> None:
    """Compare each answer that an engine was asked for with the same prompt asked directly."""
    raw = {(answer.session, answer.position): answer for answer in measured.raw if answer.first}
    own = {(entry.session, entry.position): entry for entry in entries if entry.origin != RAW}
    for answer in raw.values():
        samples.times["raw_ttft"].append(answer.first - answer.sent)
        samples.times["raw_e2el"].append(answer.ended - answer.sent)
        samples.times["raw_itl"] += [later - earlier for earlier, later in itertools.pairwise(answer.arrivals)]
    for asked in measured.asked:
        key = asked.session, asked.position
        if not asked.first or asked.reuse:
            continue
        if key not in raw:
            samples.excluded["answers whose prompt was not asked directly"] += bool(measured.raw)
            continue
        entry = own.get(key)
        said = next((at for at, text in entry.parts if text.strip()), 0.0) if entry is not None else 0.0
        if entry is None or not said or entry.arrived < asked.sent:
            samples.excluded["answers that Hearth had begun before it was asked"] += 1
            continue
        debounce = asked.stages.get("debounce", 0.0) / 1000
        ttft, direct = asked.first - asked.sent, raw[key].first - raw[key].sent
        samples.times["ttft_fresh"].append(ttft)
        samples.times["added_ttft"].append(ttft - debounce - direct)
        seconds = (debounce, entry.arrived - asked.sent - debounce, said - entry.arrived, asked.first - said)
        for name, value in zip(STAGES, seconds, strict=True):
            samples.stages[name].append(value)
        samples.slowest.append(
            {
                "added_ttft_ms": _ms(ttft - debounce - direct),
                "at_s": round(asked.sent - measured.started, 3),
                "stages_ms": {name: _ms(value) for name, value in zip(STAGES, seconds, strict=True)},
                "own_stages_ms": asked.stages,
            }
        )


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0


def _thinned(values: Sequence[float]) -> list[float]:
    step = max(1, len(values) // _KEPT_SAMPLES)
    return [_ms(value) for value in values[::step]]
