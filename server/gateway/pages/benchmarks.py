"""Benchmark runs: the list, a page for each, what changed between two, and a form that starts one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from aiohttp import web

from server.gateway.benchmarks import Benchmarks
from server.gateway.pages.charts import Chart, chart, histogram
from server.gateway.pages.desk import Desk, Guest
from server.gateway.pages.rendering import HEADERS
from server.gateway.responses import refuse
from server.runs.compare import regressed
from server.runs.figures import COUNTS, DEFINITIONS, PERCENTILES, ROWS, SHARES, STAGES, reached
from server.runs.request import BOUNDS, MeasuredEngine

_HERE = "/benchmarks"
_SHARES_OF_ANSWERS = (1, 5, 10, 25, 50, 75, 90, 95, 99)
_SHORT = ("p50_ttft_ms", "p50_added_ttft_ms", "p95_added_ttft_ms")


class BenchmarkPages:
    """What administrators see of benchmark runs.

    Args:
        desk: Renders it.
        benchmarks: The runs.
    """

    def __init__(self, desk: Desk, benchmarks: Benchmarks) -> None:
        self._desk = desk
        self._benchmarks = benchmarks

    async def show(self, _: web.Request, guest: Guest) -> web.Response:
        """``GET /benchmarks``."""
        runs = await self._benchmarks.runs()
        status, log = await self._benchmarks.status()
        return self._desk.page(
            guest,
            "benchmarks.html",
            here=_HERE,
            runs=runs,
            figures=_SHORT,
            last=status,
            log=log,
            repositories=sorted(self._benchmarks.repositories(guest.visitor.readable)),
            reads_all=self._benchmarks.reads_all(guest.visitor.readable),
            can_ask_model=self._benchmarks.runner.can_ask_model,
            minutes=self._benchmarks.runner.minutes,
            bounds=BOUNDS,
        )

    async def table(self, _: web.Request, guest: Guest) -> web.Response:
        """``GET /benchmarks/table``: the list alone, to put in the place of the one that is shown."""
        return self._desk.page(guest, "benchmarks_table.html", runs=await self._benchmarks.runs(), figures=_SHORT)

    async def running(self, _: web.Request, guest: Guest) -> web.Response:
        """``GET /benchmarks/running``: the run that runs alone, or what became of the last one."""
        status, log = await self._benchmarks.status()
        return self._desk.page(guest, "benchmarks_running.html", last=status, log=log)

    async def act(self, guest: Guest, fields: Mapping[str, str]) -> web.Response:
        """``POST /benchmarks``: start a run, or end the one that runs."""
        match fields.get("action"):
            case "start":
                self._benchmarks.start(guest.visitor.user, guest.visitor.readable, **_choices(fields))
            case "cancel":
                self._benchmarks.cancel(guest.visitor.user)
            case _:
                refuse(400, "action", "This form asks for nothing that there is.")
        return _back()

    async def detail(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /benchmark?id=ID``."""
        run_id = request.query.get("id", "")
        result = await self._benchmarks.run(run_id)
        others = [run for run in await self._benchmarks.runs() if run.run_id != run_id and not run.problem]
        return self._desk.page(
            guest,
            "benchmark.html",
            here=_HERE,
            run_id=run_id,
            result=result,
            others=others,
            targets=list(reached(result)),
            charts=await asyncio.to_thread(_charts, result),
            rows=ROWS,
            shares=SHARES,
            percentiles=PERCENTILES,
            counts=COUNTS,
            definitions=DEFINITIONS,
        )

    async def change(self, guest: Guest, fields: Mapping[str, str]) -> web.Response:
        """``POST /benchmark``: delete one."""
        if fields.get("action") != "remove":
            refuse(400, "action", "This form asks for nothing that there is.")
        await self._benchmarks.remove(guest.visitor.user, fields.get("name", ""))
        return _back()

    async def compare(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /benchmarks/compare?old=ID&new=ID``."""
        old_id, new_id = request.query.get("old", ""), request.query.get("new", "")
        old, new = await self._benchmarks.run(old_id), await self._benchmarks.run(new_id)
        changes = await self._benchmarks.changes(old_id, new_id)
        return self._desk.page(
            guest,
            "comparison.html",
            here=_HERE,
            runs=[(old_id, old), (new_id, new)],
            changes=sorted(changes, key=lambda change: change.verdict == "same"),
            regressed=regressed(changes),
            charts=await asyncio.to_thread(_comparison_charts, old, new),
        )


def _choices(fields: Mapping[str, str]) -> dict[str, Any]:
    """Read the form that starts a run."""
    engine = next((one for one in MeasuredEngine if one.value == fields.get("engine")), None)
    if engine is None:
        refuse(400, "engine", "There is no such engine.", "Choose one of the two.")
    return {
        "repository": fields.get("repository", ""),
        "engine": engine,
        "whole_index": fields.get("index") == "whole",
        "label": fields.get("label", "").strip(),
        **{name: _number(fields.get(name, ""), whole=name != "speed") for name in BOUNDS},
    }


def _number(text: str, *, whole: bool) -> float:
    """Return a number as written; one that is none is out of all bounds, which the run then says."""
    try:
        return int(text[:9]) if whole else float(text[:9])
    except ValueError:
        return -1


def _charts(result: Mapping[str, Any]) -> list[Chart]:
    paths = result["paths"]
    first = {
        **_by_path(paths, "ttft_fresh", "hearth {}"),
        **_by_path(paths, "raw_ttft", "asked directly ({})"),
    }
    return [
        _percentile_chart("Time to the first text where the engine was asked, and of the engine alone", first),
        histogram(
            "Added by Hearth to the time to the first token",
            _by_path(paths, "added_ttft", "hearth {}"),
            x_title="ms",
            y_title="answers",
        ),
        _percentile_chart("Added by Hearth, by share of answers", _by_path(paths, "added_ttft", "hearth {}")),
        chart(
            "Where the time to the first text goes, median of each stage",
            [f"hearth {path}" for path in paths],
            {stage: [values["stages_ms"][stage] for values in paths.values()] for stage in STAGES},
            y_title="ms",
            kind="stacked",
        ),
        _percentile_chart("From cancel to closed connection", _by_path(paths, "cancel", "hearth {}")),
    ]


def _comparison_charts(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Chart]:
    charts = []
    for path in [path for path in new["paths"] if path in old["paths"]]:
        for metric, title in (("added_ttft", "Added by Hearth"), ("ttft", "First text in the editor")):
            samples = {
                name: result["paths"][path]["samples_ms"][metric] for name, result in (("old", old), ("new", new))
            }
            charts.append(_percentile_chart(f"{title}, hearth {path}", samples))
    return charts


def _by_path(paths: Mapping[str, Any], metric: str, name: str) -> dict[str, list[float]]:
    return {name.format(path): values["samples_ms"][metric] for path, values in paths.items()}


def _percentile_chart(title: str, samples: Mapping[str, Sequence[float]]) -> Chart:
    """Draw in how many percent of the answers it took at most how long."""
    measured = {name: values for name, values in samples.items() if values}
    return chart(
        title,
        list(_SHARES_OF_ANSWERS) if measured else [],
        {
            name: [round(float(value), 3) for value in np.percentile(values, _SHARES_OF_ANSWERS)]
            for name, values in measured.items()
        },
        x_title="percentile",
        y_title="ms",
    )


def _back() -> web.Response:
    return web.Response(status=303, headers={"Location": _HERE, **HEADERS})
