"""What the dashboard and the alert rules ask Prometheus for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.operations.services import DOCS

_SUFFIXES = re.compile(r"_(bucket|count|sum)$")


def dashboard() -> dict[str, Any]:
    """Return the dashboard of docs/operations."""
    value: dict[str, Any] = json.loads((DOCS / "grafana.json").read_text())
    return value


def queries() -> Iterator[tuple[str, str]]:
    """Yield the title of each panel of the dashboard with each of its queries."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def metrics_in(text: str) -> set[str]:
    """Return the metrics of Hearth that some text names, histograms without their suffixes."""
    return {_SUFFIXES.sub("", name) for name in re.findall(r"\bhearth_[a-z_]+", text)}


def filled_in(query: str, interval: str) -> str:
    """Return a query as Grafana would send it, for all jobs and servers."""
    return query.replace("$__rate_interval", interval).replace("$job", ".*").replace("$instance", ".*")
