"""The dashboard and the rules of docs/operations speak of metrics that there are."""

from __future__ import annotations

import json
import re

import pytest

from tests.operations.monitoring import dashboard, filled_in, metrics_in, queries
from tests.operations.services import DOCS

DOCUMENTED = set(re.findall(r"^\| `(hearth_\w+)` \|", (DOCS.parent / "metrics.md").read_text(), re.M))


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yml"])
def test_every_metric_that_is_asked_for_is_documented(name: str) -> None:
    asked = metrics_in((DOCS / name).read_text())
    assert len(asked) > 10
    assert asked <= DOCUMENTED, asked - DOCUMENTED


def test_labels_in_queries_are_those_of_the_metric() -> None:
    labels = {
        name: set(re.findall(r"`(\w+)`", row)) | {"job", "instance", "le"}
        for name, row in re.findall(
            r"^\| `(hearth_\w+)` \| \w+ \|([^|]*)\|", (DOCS.parent / "metrics.md").read_text(), re.M
        )
    }
    for title, query in queries():
        for name, selector in re.findall(r"(hearth_[a-z_]+)\{([^}]*)\}", filled_in(query, "1m")):
            (metric,) = metrics_in(name)
            assert set(re.findall(r"(\w+)(?:=|!)", selector)) <= labels[metric], title
        for grouped in re.findall(r"by \(([^)]*)\)", query):
            for metric in metrics_in(query):
                assert set(re.split(r",\s*", grouped)) <= labels[metric], title


def test_panels_can_be_told_apart_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"], panel["title"]


def test_units_are_those_of_what_is_asked_for() -> None:
    for panel in dashboard()["panels"]:
        if panel["type"] == "row":
            continue
        unit = panel["fieldConfig"]["defaults"]["unit"]
        for query in (target["expr"] for target in panel["targets"]):
            if "histogram_quantile" in query:
                assert unit == "s", panel["title"]
            elif "_bytes" in query:
                assert unit == "bytes", panel["title"]
            elif re.search(r"(rate|increase)\(.*\) / .*(rate|increase)\(", query):
                assert unit == "percentunit", panel["title"]
            elif "rate(hearth_" in query:
                assert unit in {"reqps", "cps"}, panel["title"]
            elif "increase(" in query:
                assert unit == "none", panel["title"]


def test_everything_that_a_panel_refers_to_is_there() -> None:
    board = dashboard()
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(board["panels"]))) <= variables
    # Grafana takes a dashboard without these for one of another program, or for half of one.
    assert {"uid", "title", "schemaVersion", "time", "refresh"} <= board.keys()
    for panel in board["panels"]:
        references = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(references)) == len(references), panel["title"]
        for part in (panel, *panel.get("targets", ())):
            assert part.get("datasource", {"uid": "${datasource}"})["uid"] == "${datasource}", panel["title"]
        if panel["type"] != "row":
            assert references, panel["title"]
            assert "datasource" in panel, panel["title"]
            assert panel["type"] in {"stat", "timeseries"}
            several = len(references) > 1
            assert all(target.get("legendFormat") for target in panel["targets"]) or not several, panel["title"]
