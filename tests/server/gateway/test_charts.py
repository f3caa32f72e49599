"""Charts: what is drawn and told of them, the files they need, and drawn in a real browser under the pages' policy."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from server.gateway.pages import drawing as drawing_module
from server.gateway.pages.charts import Chart, Kind, chart, histogram
from server.gateway.pages.drawing import Drawing, find_drawing
from server.gateway.pages.files import Files
from server.gateway.pages.rendering import html, make_templates
from tests.server.gateway.chromium_pages import chromium

PAGE = """
{% extends "base.html" %}
{% from "charts.html" import chart_files, chart_hint, show_chart %}
{% block title %}Charts{% endblock %}
{% block scripts %}{{ chart_files() }}<script src="/static/live.js" defer></script>{% endblock %}
{% block content %}
<h1>Charts</h1>
{{ chart_hint() }}
<div class="charts">{% for one in charts %}{{ show_chart(one) }}{% endfor %}</div>
<div data-live="/part"></div>
{% endblock %}
"""
PART = '{% from "charts.html" import show_chart %}<h2>As it is now</h2>{{ show_chart(charts[0]) }}'
MARKUP = "<b>team</b> & <script>'\""


def every_kind() -> list[Chart]:
    hours = [1_700_000_000 + 3600 * hour for hour in range(24)]
    waves = {f"p{share}": [share * (1.2 + math.sin(hour / 4)) for hour in range(24)] for share in (50, 95, 99)}
    waves["p99"][7] = None  # type: ignore[call-overload]  # a gap
    kinds: tuple[Kind, ...] = ("bars", "stacked")
    places = ["lsp", "serve", MARKUP]
    series: Mapping[str, Sequence[float]] = {f"stage {number}": [number, 3, 2] for number in range(1, 7)}
    return [
        chart("Time to the first text", hours, waves, x_title="UTC", y_title="ms", times=True),
        *(chart(f"As {kind}", places, series, y_title="ms", kind=kind) for kind in kinds),
        chart("One number", [1, 2.5, 4], {MARKUP: [1.0, None, 2.0]}, x_title=MARKUP, y_title=MARKUP),
        histogram(
            "Added",
            {"lsp": [math.sin(n) ** 2 * 9 for n in range(300)], "serve": [n / 20 for n in range(300)]},
            x_title="ms",
            y_title="answers",
        ),
        chart("Nothing", [], {"lsp": []}, y_title="ms"),
    ]


@asynccontextmanager
async def served(drawing: Drawing | None) -> AsyncIterator[str]:
    """Serve a page with one chart of each kind, as the pages of the team server are served."""
    templates = make_templates(drawing)
    values: Mapping[str, Any] = {
        **dict.fromkeys(("user", "csrf", "here"), ""),
        **dict.fromkeys(("signed_in", "admin"), False),
        "menu": [],
        "charts": every_kind(),
    }

    async def page(_: web.Request) -> web.Response:
        return html(templates.from_string(PAGE).render(values))

    async def part(_: web.Request) -> web.Response:
        return html(templates.from_string(PART).render(values))

    application = web.Application()
    application.router.add_get("/", page)
    application.router.add_get("/part", part)
    Files(drawing).add_routes(application.router)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_a_chart_has_its_values_in_a_table() -> None:
    made = chart("Times", [0, 60], {"p50": [1.5, None]}, x_title="UTC", y_title="ms", times=True)
    assert made.columns == ("UTC", "p50")
    assert made.rows == (("1970-01-01 00:00:00", (1.5,)), ("1970-01-01 00:01:00", (None,)))
    assert made.figure["layout"]["xaxis"]["type"] == "date"
    json.dumps(made.figure, allow_nan=False)
    with pytest.raises(ValueError, match="'p50' has 1 values for 2 places"):
        chart("Times", [0, 60], {"p50": [1.5]}, y_title="ms")


def test_a_value_between_gaps_is_marked_since_no_line_would_show_it() -> None:
    def modes(values: list[float | None]) -> list[str]:
        made = chart("Times", list(range(len(values))), {"p50": values}, y_title="ms")
        return [trace["mode"] for trace in made.figure["data"]]

    gaps: list[float | None] = [None] * 50
    assert modes([*gaps, 1.0, 2.0]) == ["lines"]
    assert modes([*gaps, 1.0, None]) == modes([1.0, *gaps]) == modes([*gaps, 1.0]) == ["lines+markers"]


def test_a_histogram_counts_every_sample_once_and_few_slow_ones_do_not_press_the_rest_together() -> None:
    samples = {"lsp": [float(number % 10) for number in range(1000)], "serve": [5.0, 10_000.0]}
    made = histogram("Added", samples, x_title="ms", y_title="answers")
    counts = list(zip(*(values for _, values in made.rows), strict=True))
    assert [sum(column) for column in counts] == [1000, 2]
    assert made.rows[-1][0].endswith("and more")
    assert len([place for place, values in made.rows if values[0]]) == 10
    assert histogram("Added", {}, x_title="ms", y_title="answers").rows == ()
    assert histogram("Added", {"lsp": []}, x_title="ms", y_title="answers").rows == ()
    alike = histogram("Added", {"lsp": [3.0, 3.0, 3.0]}, x_title="ms", y_title="answers")
    assert sum(values[0] or 0 for _, values in alike.rows) == 3


def test_text_is_text_in_what_is_drawn_and_in_what_is_told() -> None:
    templates = make_templates(Drawing(find_drawing().path, "plotly.js", ()))  # type: ignore[union-attr]
    made = chart("A title", [MARKUP], {MARKUP: [1.0]}, x_title=MARKUP, y_title=MARKUP)
    text = templates.get_template("charts.html").module.show_chart(made)  # type: ignore[attr-defined]
    assert "<script>" not in text
    assert "<b>" not in text
    (data,) = re.findall(r"data-figure='([^']*)'", text)
    figure = json.loads(unescape(data))
    trace, layout = figure["data"][0], figure["layout"]
    for drawn in (trace["name"], trace["x"][0], layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]):
        assert unescape(drawn) == MARKUP
        assert "<" not in drawn


async def test_the_script_is_plotlys_own_and_kept_by_browsers() -> None:
    drawing = find_drawing()
    assert drawing is not None
    async with served(drawing) as url, aiohttp.ClientSession(url) as client:
        async with client.get(f"/static/{drawing.name}") as answer:
            assert await answer.read() == drawing.path.read_bytes()
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "immutable" in answer.headers["Cache-Control"]
            tag = answer.headers["ETag"]
        async with client.get(f"/static/{drawing.name}", headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", tag)
        async with client.get("/static/charts.js", headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers
            assert "immutable" not in answer.headers["Cache-Control"]
        for other in ("plotly-0.js", "plotly.min.js", "..%2Fcharts.py"):
            async with client.get(f"/static/{other}") as answer:
                assert answer.status == 404


async def test_without_plotly_pages_show_tables_and_say_how_to_get_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_module, "find_spec", lambda _: None)
    drawing = find_drawing.__wrapped__()
    assert drawing is None
    async with served(drawing) as url, aiohttp.ClientSession(url) as client, client.get("/") as answer:
        text = await answer.text()
    assert "pip install plotly" in text
    assert "plotly-" not in text
    assert "data-figure" not in text
    assert text.count("<details open>") == 5


@pytest.mark.real
async def test_charts_are_drawn_in_both_schemes_and_at_every_width_and_break_no_policy() -> None:
    drawing = find_drawing()
    async with served(drawing) as url, chromium(url) as window:
        for look, how in {"light": {}, "dark": {"dark": True}, "phone": {"phone": True}}.items():
            await window.look(**how)
            await window.call("goto", "/")
            await window.call("waitForText", "As it is now")
            assert await window.call("drawn") == 6, look
            assert await window.call("accessibility") == [], look
            assert await window.call("overflow") <= 0, look
            # Names are shown as they are, and what is pointed at is told.
            assert MARKUP in await window.call("plotted"), look
            assert "p95" in await window.call("pointAt", "Time to the first text"), look
            await window.screenshot(f"charts-{look}")
        await window.look(scripts=False)
        await window.call("goto", "/")
        await window.call("open", "As a table")
        assert "2023-11-14 22:13:20" in await window.call("text")
        assert await window.call("complaints") == []
