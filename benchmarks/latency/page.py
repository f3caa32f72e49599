"""The result as a page of its own: figures, plots, where they were measured, and what each of them means.

It holds everything it needs, plotly's own script included, and asks nobody for anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from server.runs.figures import DEFINITIONS, PERCENTILES, ROWS, SHARES, STAGES, reached

_COLOURS = {"lsp": "#2f7ed8", "serve": "#d9822b"}
_DASHES = {"lsp": "solid", "serve": "dot"}
_RAW_COLOUR = "#7a7f87"
_STAGE_COLOURS = ("#b0b7c3", "#8a6fd1", "#2f9e77", "#d9822b")


def can_draw() -> bool:
    """Whether the library that draws is there; the extra ``charts`` brings it."""
    return find_spec("plotly") is not None


def write_page(result: Mapping[str, Any], path: Path) -> None:
    """Write ``result`` as HTML to ``path``; only where :func:`can_draw` says so."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415  # No part of the default install.

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files(__package__) / "page.html.j2").read_text(encoding="utf-8"))
    page = template.render(
        result=result,
        rows=ROWS,
        shares=SHARES,
        percentiles=PERCENTILES,
        targets=list(reached(result)),
        definitions=DEFINITIONS,
        plots=_script_json(_plots(result["paths"])),
        plotly=get_plotlyjs(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _plots(paths: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ttft": _ecdf_plot(paths, "ttft_fresh", raw="raw_ttft"),
        "added": {
            "data": [
                {
                    "type": "histogram",
                    "name": f"hearth {path}",
                    "x": values["samples_ms"]["added_ttft"],
                    "opacity": 0.65,
                    "nbinsx": 60,
                    "marker": {"color": _COLOURS[path]},
                }
                for path, values in paths.items()
            ],
            "layout": {
                "barmode": "overlay",
                "xaxis": {"title": {"text": "ms"}},
                "yaxis": {"title": {"text": "answers"}},
            },
        },
        "stages": {
            "data": [
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": stage,
                    "x": [values["stages_ms"][stage] for values in paths.values()],
                    "y": [f"hearth {path}" for path in paths],
                    "marker": {"color": colour},
                }
                for stage, colour in zip(STAGES, _STAGE_COLOURS, strict=True)
            ],
            "layout": {"barmode": "stack", "xaxis": {"title": {"text": "ms, median of each"}}},
        },
        "cancel": _ecdf_plot(paths, "cancel"),
        "waste": {
            "data": [trace for path, values in paths.items() for trace in _waste_traces(path, values["timeline"])],
            "layout": {"xaxis": {"title": {"text": "s"}}, "yaxis": {"title": {"text": "tokens so far"}}},
        },
    }


def _ecdf_plot(paths: Mapping[str, Any], metric: str, raw: str = "") -> dict[str, Any]:
    data = []
    for path, values in paths.items():
        data.append(_ecdf(f"hearth {path}", values["samples_ms"][metric], _COLOURS[path], "solid"))
        if raw:
            data.append(_ecdf(f"asked directly ({path})", values["samples_ms"][raw], _RAW_COLOUR, _DASHES[path]))
    layout = {"xaxis": {"title": {"text": "ms"}}, "yaxis": {"title": {"text": "share"}, "tickformat": ".0%"}}
    return {"data": data, "layout": layout}


def _ecdf(name: str, samples: Sequence[float], colour: str, dash: str) -> dict[str, Any]:
    ordered = sorted(samples)
    shares = [(number + 1) / len(ordered) for number in range(len(ordered))]
    line = {"shape": "hv", "color": colour, "dash": dash}
    return {"type": "scatter", "mode": "lines", "name": name, "x": ordered, "y": shares, "line": line}


def _waste_traces(path: str, timeline: Sequence[tuple[float, int, int]]) -> list[dict[str, Any]]:
    """Draw the tokens generated and wasted up to each moment; the seeds follow one another."""
    ordered = sorted(timeline)
    times = [moment for moment, _, _ in ordered]
    traces = []
    for name, dash, tokens in (
        ("generated", "solid", [generated for _, generated, _ in ordered]),
        ("wasted", "dot", [wasted for _, _, wasted in ordered]),
    ):
        line = {"color": _COLOURS[path], "dash": dash, "shape": "hv"}
        trace = {"type": "scatter", "mode": "lines", "name": f"{name} ({path})", "line": line}
        traces.append({**trace, "x": times, "y": list(accumulate(tokens))})
    return traces


def _script_json(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
