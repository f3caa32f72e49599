"""Prints results and comparisons for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from server.runs.compare import Change
from server.runs.figures import PERCENTILES, ROWS, SHARES

_COLOURS = {"better": "green", "worse": "red", "same": "dim"}


def print_result(console: Console, result: Mapping[str, Any], written: Sequence[Path]) -> None:
    """Print the figures of every path."""
    for path, values in result["paths"].items():
        title = f"hearth {path}: {result['sessions']} typing, {result['chunks']:,} chunks, {result['engine']}"
        table = Table("", "p50 ms", "p95 ms", "p99 ms", title=title)
        for column in table.columns[1:]:
            column.justify = "right"
        for name, label in ROWS.items():
            shown = [values.get(f"{percentile}_{name}_ms") for percentile in PERCENTILES]
            table.add_row(label, *("-" if value is None else f"{value:.2f}" for value in shown))
        console.print(table)
        shares = (f"{label} {_percent(values.get(name))}" for name, label in SHARES.items())
        console.print("; ".join(shares), soft_wrap=True)
        console.print(
            f"{values['requests']} requests: {values.get('answered', 0)} answered, {values.get('silent', 0)} silent, "
            f"{values.get('cancelled', 0)} overtaken or taken back, {values.get('failed', 0)} failed; "
            f"{values.get('accepted', 0)} suggestions taken",
            soft_wrap=True,
        )
        for reason, count in values["excluded"].items():
            console.print(f"left out: {count} {reason}", style="dim")
    console.print(f"{result['machine']}; commit {result['commit']}", soft_wrap=True)
    console.print("written to " + ", ".join(map(str, written)), soft_wrap=True)


def print_changes(console: Console, changes: Sequence[Change]) -> None:
    """Print what changed, and what did not."""
    table = Table("path", "figure", "old", "new", "", title="compared")
    for change in changes:
        values = (change.path, change.name, f"{change.old:.4g}", f"{change.new:.4g}", change.verdict)
        table.add_row(*values, style=_COLOURS[change.verdict])
    console.print(table)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
