"""How every benchmark says where and when it was measured, summarises samples, and writes JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"


def environment(model: str = "") -> dict[str, Any]:
    """Return commit, machine, interpreter and date, with the key names of ``vllm bench serve`` where it has them."""
    return {
        "date": datetime.now(UTC).strftime("%Y%m%d-%H%M%S"),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB",
        "python": platform.python_version(),
        "model_id": model,
    }


def summary(name: str, samples_s: Sequence[float]) -> dict[str, float]:
    """Return ``{mean,median,std,p50,p95,p99}_<name>_ms`` of samples given in seconds; empty without samples."""
    if not samples_s:
        return {}
    values = np.asarray(samples_s, dtype=np.float64) * 1000.0
    percentiles = np.percentile(values, [50, 95, 99])
    return {
        f"mean_{name}_ms": round(float(values.mean()), 3),
        f"median_{name}_ms": round(float(np.median(values)), 3),
        f"std_{name}_ms": round(float(values.std()), 3),
        f"p50_{name}_ms": round(float(percentiles[0]), 3),
        f"p95_{name}_ms": round(float(percentiles[1]), 3),
        f"p99_{name}_ms": round(float(percentiles[2]), 3),
    }


def write(benchmark: str, values: Mapping[str, Any], output: Path | None) -> Path:
    """Write one result as JSON to ``output``, or to ``benchmarks/results/<benchmark>-<date>.json``."""
    path = output or RESULTS / f"{benchmark}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"benchmark": benchmark, **values}, indent=2) + "\n")
    return path


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
