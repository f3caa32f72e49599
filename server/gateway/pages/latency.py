"""Latency: how long the stages of completions and explanations took over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from server.gateway.figures import Wanted, latency_table, milliseconds, splits_for, wanted
from server.gateway.pages.charts import Chart, Value, chart
from server.gateway.pages.desk import Desk, Guest
from server.gateway.pages.rendering import HEADERS
from server.gateway.readings import Readings
from server.history import STAGE_NAMES, WORK, Latency, Percentiles, Span, Split

_DRAWN_GROUPS = 6
SPANS = {Span.HOUR: "60 minutes", Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days"}
TITLES = {
    "first_text": "First text shown",
    "total": "Whole request",
    "debounce": "Wait for the next key",
    "gather": "Context",
    "retrieve": "Search in the index",
    "prompt": "Writing the prompt",
    "queue": "Until the model server accepts",
    "first_token": "First token",  # tokens of text, no secret  # nosec B105
    "per_token": "Each further token",  # tokens of text, no secret  # nosec B105
    "engine": "Whole answer of the engine",
    "post_process": "Cutting to size",
    "fit": "Fitting to the cursor",
}
"""Stages, for people."""


class LatencyPage:
    """The page of latency.

    Args:
        desk: Renders it.
        readings: What was measured.
    """

    def __init__(self, desk: Desk, readings: Readings) -> None:
        self._desk = desk
        self._readings = readings

    async def show(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /latency?span=…&work=…&stage=…&by=…``."""
        asked = wanted(request.query, admin=guest.admin)
        found = await self._readings.latency(asked)
        return self._desk.page(
            guest,
            "latency.html",
            here="/latency",
            asked=asked,
            query=_query(asked),
            spans=SPANS,
            works=WORK,
            stages=[(name, TITLES[name]) for name in STAGE_NAMES],
            splits=splits_for(admin=guest.admin),
            every=[(TITLES[one.name], one.name, _row(one.all)) for one in found.stages],
            groups=[(one.name, _row(one.all)) for one in found.groups],
            chart=_chart(found, asked),
        )

    async def export(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /latency/export?span=…&work=…&stage=…&by=…``: step by step, as CSV."""
        asked = wanted(request.query, admin=guest.admin)
        return csv_file("hearth-latency.csv", latency_table(await self._readings.latency(asked), asked))


def csv_file(name: str, text: str) -> web.Response:
    """Answer with a table to keep."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **HEADERS}
    return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)


def _chart(found: Latency, asked: Wanted) -> Chart:
    series: Mapping[str, Sequence[Value]]
    steps = {group.name: group.steps for group in found.groups[:_DRAWN_GROUPS]}
    if asked.split is Split.NOTHING:
        title = f"{TITLES[asked.stage]}: p50, p95 and p99"
        every = next(iter(steps.values()), ())
        series = {
            "p50": [_value(step, step.p50) for step in every],
            "p95": [_value(step, step.p95) for step in every],
            "p99": [_value(step, step.p99) for step in every],
        }
    else:
        title = f"{TITLES[asked.stage]}: p95 by {asked.split.value}"
        series = {name: [_value(step, step.p95) for step in of_group] for name, of_group in steps.items()}
    moments = found.window.moments if steps else ()
    return chart(title, moments, series, x_title="UTC", y_title="ms", times=True)


def _value(step: Percentiles, seconds: float) -> Value:
    return milliseconds(seconds) if step.count else None


def _row(times: Percentiles) -> tuple[int, float, float, float]:
    return times.count, milliseconds(times.p50), milliseconds(times.p95), milliseconds(times.p99)


def _query(asked: Wanted) -> dict[str, str]:
    return {"span": asked.span.value, "work": asked.work, "stage": asked.stage, "by": asked.split.value}
