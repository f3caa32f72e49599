"""Results of the latency benchmark, made up."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from benchmarks.latency.results import Samples, report


def result(added_ms: float = 4.0, seed: int = 1, **facts: Any) -> dict[str, Any]:
    """Return a result of both paths whose added time to the first token is log-normal around ``added_ms``."""
    return {
        "benchmark": "latency",
        **dict.fromkeys(("commit", "machine", "python", "model_id", "base_commit"), "known"),
        "date": "20260102-030405",
        "engine": "fixed latencies",
        "repository": "shop",
        "label": "",
        "sessions": 1,
        "chunks": 1000,
        "paths": {path: _path(added_ms, f"{seed}/{path}") for path in ("lsp", "serve")},
        **facts,
    }


def _path(added_ms: float, seed: str) -> Mapping[str, Any]:
    chance = random.Random(seed)
    by_seed = {}
    for number in (1, 2, 3):
        by_seed[number] = Samples()
        times = by_seed[number].times
        times["raw_ttft"] = [chance.lognormvariate(0, 0.1) * 0.03 for _ in range(150)]
        times["added_ttft"] = [chance.lognormvariate(0, 0.4) * added_ms / 1000 for _ in range(150)]
        times["ttft"] = [raw + added for raw, added in zip(times["raw_ttft"], times["added_ttft"], strict=True)]
        times["ttft_fresh"] = times["ttft"]
        times["cancel"] = [chance.lognormvariate(0, 0.3) * 0.009 for _ in range(40)]
        for stage, scale in (("debounce", 0.04), ("before the engine", 0.002), ("engine", 0.03)):
            by_seed[number].stages[stage] = [scale] * 10
        by_seed[number].counts.update(generated_tokens=1000, wasted_tokens=90, requests=400, answered=300)
    total = Samples()
    for one in by_seed.values():
        for name, values in one.times.items():
            total.times[name] += values
        for name, values in one.stages.items():
            total.stages[name] += values
        total.counts += one.counts
    return report(total, by_seed)
