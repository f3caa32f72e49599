"""Charts for pages: one function that makes a chart, and one macro that shows it.

A page makes its charts, and hands them to its template::

    latency = chart(
        "Time to the first text",
        [1700000000, 1700000060],                    # seconds since the epoch, as times=True says
        {"p50": [12.0, 14.5], "p95": [30.1, None]},  # one value for each x; None leaves a gap
        x_title="UTC", y_title="ms", times=True,
    )

and the template shows them, wherever on the page and in parts with ``data-live`` as well::

    {% from "charts.html" import chart_files, chart_hint, show_chart %}
    {% block scripts %}{{ chart_files() }}{% endblock %}
    {% block content %}
    {{ chart_hint() }}                               {# says what to install when charts cannot be drawn #}
    {{ show_chart(latency) }}
    {% endblock %}

Each chart has its values in a table below it, which is all there is of it without plotly or without scripts. What is
drawn takes its colours from the style sheet, in both schemes, and follows the width of the window; nothing in it moves.
Names and titles are text: whatever stands in them is shown as it is. No chart needs a style or a script in the page.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal

import numpy as np

Kind = Literal["lines", "bars", "stacked"]
Value = float | None

_DASHES = ("solid", "dash", "dot", "dashdot")
_PATTERNS = ("", "/", "x", ".", "\\", "+")
_MARKED_POINTS = 40


@dataclass(frozen=True, slots=True)
class Chart:
    """What is shown.

    Attributes:
        title: What it shows, in a line.
        figure: plotly's ``data`` and ``layout``, as JSON values and without colours.
        columns: Heads of the table.
        rows: The table: what stands on the x axis, then the value of each series.
        unit: What the values are in.
    """

    title: str
    figure: Mapping[str, Any]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Value, ...]], ...]
    unit: str

    @property
    def alternative(self) -> str:
        """What is told instead of the drawing."""
        return f"Chart: {self.title}. Its values are in the table that follows."


def chart(
    title: str,
    x: Sequence[float | str],
    series: Mapping[str, Sequence[Value]],
    *,
    y_title: str,
    x_title: str = "",
    times: bool = False,
    kind: Kind = "lines",
) -> Chart:
    """Make a chart of ``series`` over ``x``.

    Args:
        title: What it shows, in a line.
        x: Numbers or names in their order; with ``times``, seconds since the epoch, shown in UTC.
        series: The values of each by its name, as many as there are ``x``; None where there is none.
        y_title: What the values are, and their unit.
        x_title: The same of ``x``.
        times: Whether ``x`` are times.
        kind: Lines, bars beside one another, or bars on top of one another.

    Raises:
        ValueError: A series is longer or shorter than ``x``.
    """
    for name, values in series.items():
        if len(values) != len(x):
            raise ValueError(f"{name!r} has {len(values)} values for {len(x)} places")
    places = [_moment(place) for place in x] if times else list(x)
    drawn = [_text(place) if isinstance(place, str) else place for place in places]
    trace = _line if kind == "lines" else _bar
    figure = {
        "data": [trace(_text(name), number, drawn, values) for number, (name, values) in enumerate(series.items())],
        "layout": {
            "barmode": "stack" if kind == "stacked" else "group",
            "showlegend": len(series) > 1,
            "xaxis": {"title": {"text": _text(x_title)}, "type": _axis_type(x, times=times)},
            "yaxis": {"title": {"text": _text(y_title)}, "rangemode": "tozero"},
        },
    }
    rows = tuple(
        (f"{place:g}" if isinstance(place, float | int) else place, tuple(values[number] for values in series.values()))
        for number, place in enumerate(places)
    )
    return Chart(title, figure, (x_title, *series), rows, y_title)


def histogram(
    title: str, samples: Mapping[str, Sequence[float]], *, x_title: str, y_title: str, most_bins: int = 30
) -> Chart:
    """Make a chart that says how many of ``samples`` lie in each of at most ``most_bins`` intervals of one width.

    What is above the 99th percentile is counted in the last interval, so that a few do not press the rest together.
    """
    everything = np.concatenate([np.asarray(values, dtype=np.float64) for values in samples.values()] or [np.zeros(0)])
    if not everything.size:
        return chart(title, [], dict.fromkeys(samples, ()), x_title=x_title, y_title=y_title, kind="bars")
    highest = float(np.percentile(everything, 99))
    edges = np.histogram_bin_edges(everything.clip(max=highest), bins=min(most_bins, everything.size))
    counts: dict[str, Sequence[Value]] = {
        name: [int(count) for count in np.histogram(np.clip(values, None, highest), edges)[0]]
        for name, values in samples.items()
    }
    middles = [float(middle) for middle in (edges[:-1] + edges[1:]) / 2]
    made = chart(title, middles, counts, x_title=x_title, y_title=y_title, kind="bars")
    intervals = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
    intervals[-1] = f"{edges[-2]:.3g} and more"
    rows = tuple((interval, values) for interval, (_, values) in zip(intervals, made.rows, strict=True))
    return replace(made, rows=rows)


def _line(name: str, number: int, x: Sequence[float | str], y: Sequence[Value]) -> dict[str, Any]:
    mode = "lines+markers" if len(x) <= _MARKED_POINTS or _has_lone_values(y) else "lines"
    line = {"dash": _DASHES[number % len(_DASHES)]}
    return {"type": "scatter", "mode": mode, "name": name, "x": list(x), "y": list(y), "line": line}


def _has_lone_values(y: Sequence[Value]) -> bool:
    """Whether there is a value between two gaps, which no line would show."""
    around = zip([None, *y], y, [*y[1:], None], strict=False)
    return any(value is not None and before is None and after is None for before, value, after in around)


def _bar(name: str, number: int, x: Sequence[float | str], y: Sequence[Value]) -> dict[str, Any]:
    marker = {"pattern": {"shape": _PATTERNS[number % len(_PATTERNS)]}}
    return {"type": "bar", "name": name, "x": list(x), "y": list(y), "marker": marker}


def _axis_type(x: Sequence[float | str], *, times: bool) -> str:
    if times:
        return "date"
    return "category" if any(isinstance(place, str) for place in x) else "linear"


def _moment(seconds: float | str) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S")


def _text(text: str) -> str:
    """Write text for plotly, which takes a few tags for markup and reads entities."""
    return html.escape(text, quote=False)
