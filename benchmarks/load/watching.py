"""What is seen of a team server from outside while it works: memory, processor time, how late its event loop is."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

_EVERY_S = 2.0
_LAG = "hearth_event_loop_lag_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has at one moment: memory of its own, and with mapped files, in bytes; processor seconds."""

    at: float
    own: int
    resident: int
    processor_s: float


@dataclass(slots=True)
class Watched:
    """Looks at a process now and then. Times are ``time.perf_counter``.

    Attributes:
        process_id: Which.
        usage: What was seen, in order.
    """

    process_id: int
    usage: list[Usage] = field(default_factory=list)

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_EVERY_S)

    def look(self) -> None:
        """Look once. Where there is no ``/proc`` nothing is seen."""
        folder = Path("/proc") / str(self.process_id)
        try:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            # Behind the name, which may have blanks: user and system time are the 12th and the 13th field.
            times = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
        except OSError:
            return
        seconds = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
        own, resident = (int(status[name].split()[0]) * 1024 for name in ("RssAnon", "VmRSS"))
        self.usage.append(Usage(time.perf_counter(), own, resident, seconds))

    def between(self, start: float, end: float) -> list[Usage]:
        """Return what was seen in a time."""
        return [usage for usage in self.usage if start <= usage.at < end]


def memory_figures(usage: Sequence[Usage]) -> dict[str, float]:
    """Return the memory at both ends, the most there was, and by how much it grew a minute in the second half.

    In the first half caches fill. All in MiB, of memory of its own but for ``resident_max``.
    """
    if len(usage) < 4:
        return {}
    half = usage[len(usage) // 2 :]
    minutes = np.array([(item.at - half[0].at) / 60 for item in half])
    slope = np.polyfit(minutes, [item.own / 2**20 for item in half], 1)[0]
    values = {
        "memory_start_mib": usage[0].own / 2**20,
        "memory_end_mib": usage[-1].own / 2**20,
        "memory_max_mib": max(item.own for item in usage) / 2**20,
        "memory_resident_max_mib": max(item.resident for item in usage) / 2**20,
        "memory_growth_mib_per_minute": float(slope),
    }
    return {name: round(value, 2) for name, value in values.items()}


def processor_share(usage: Sequence[Usage]) -> float | None:
    """Return how much of one processor was used."""
    if len(usage) < 2:
        return None
    return round((usage[-1].processor_s - usage[0].processor_s) / (usage[-1].at - usage[0].at), 4)


def loop_lag(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
    """Return percentiles of how late the event loop was between two looks at the server's counters, in ms.

    They are taken from the buckets of its histogram, evenly within each.
    """
    bounds = [(_bound(name), after[name] - before.get(name, 0.0)) for name in after if name.startswith(_LAG)]
    bounds.sort()
    if not bounds or not bounds[-1][1]:
        return {}
    return {f"p{share}_loop_lag_ms": round(_percentile(bounds, share / 100) * 1000, 3) for share in (50, 95, 99)}


def _percentile(bounds: Sequence[tuple[float, float]], share: float) -> float:
    wanted = share * bounds[-1][1]
    lower = below = 0.0
    for bound, count in bounds:
        if count >= wanted:
            return lower if bound == float("inf") else lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    return lower


def _bound(name: str) -> float:
    return float(name.partition('le="')[2].partition('"')[0])
