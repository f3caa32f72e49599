"""Latency and usage, as pages show them and scripts ask for them: which figures are wanted, and how they are told."""

from __future__ import annotations

import csv
import enum
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from server.gateway.responses import refuse
from server.history import STAGE_NAMES, WORK, Latency, Percentiles, Prices, Span, Split, Times, Usage, Used, UsedBy

_Choice = TypeVar("_Choice", bound=enum.StrEnum)
_DIGITS = 3
_MILLI = 1000.0
# Where numbers have a comma, a spreadsheet begins a cell behind each semicolon.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=[=+\-@\t\r])")
_FOR_ADMINISTRATORS = frozenset({Split.EDITOR, Split.TEAM})
"""In a small team, or as the only user of an editor, somebody would be recognised."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which figures are wanted."""

    span: Span
    split: Split
    work: str
    stage: str


def wanted(query: Mapping[str, str], *, admin: bool) -> Wanted:
    """Read what a request asks for: ``span``, ``by``, ``work`` and ``stage``, all of which may be left out.

    Raises:
        web.HTTPError: There is no such thing, or it is for administrators.
    """
    split = _choice(query, "by", Split, Split.NOTHING)
    if split in _FOR_ADMINISTRATORS and not admin:
        refuse(403, "not-permitted", "By editor and by team is for administrators.", "By model is for everybody.")
    work, stage = query.get("work", WORK[0]), query.get("stage", "total")
    if work not in WORK:
        refuse(400, "work", "There is no such work.", f"There are: {', '.join(WORK)}.")
    if stage not in STAGE_NAMES:
        refuse(400, "stage", "There is no such stage.", f"There are: {', '.join(STAGE_NAMES)}.")
    return Wanted(_choice(query, "span", Span, Span.DAY), split, work, stage)


def splits_for(*, admin: bool) -> list[Split]:
    """Return what somebody may have figures split by."""
    return [split for split in Split if admin or split not in _FOR_ADMINISTRATORS]


def latency_value(found: Latency, asked: Wanted) -> dict[str, Any]:
    """Describe latency; times are seconds since the epoch, and percentiles milliseconds."""

    def told(times: Times) -> dict[str, Any]:
        return {"name": times.name, **_percentiles(times.all)}

    def steps(times: Times) -> list[dict[str, Any]]:
        moments = zip(found.window.moments, times.steps, strict=True)
        return [{"at": at, **_percentiles(step)} for at, step in moments if step.count]

    return {
        **_heading(asked, found.window.since, found.window.until, found.window.step),
        "work": asked.work,
        "stage": asked.stage,
        "stages": [told(times) for times in found.stages],
        "groups": [told(times) | {"steps": steps(times)} for times in found.groups],
    }


def usage_value(found: Usage, asked: Wanted) -> dict[str, Any]:
    """Describe usage; times are seconds since the epoch."""

    def told(one: UsedBy) -> dict[str, Any]:
        steps = zip(found.window.moments, one.steps, strict=True)
        return {
            "name": one.name,
            **_amounts(one.all),
            "steps": [{"at": at, **_amounts(used)} for at, used in steps if used != Used()],
        }

    return {
        **_heading(asked, found.window.since, found.window.until, found.window.step),
        "currency": found.prices.currency,
        "total": told(found.all),
        "groups": [told(one) for one in found.groups],
    }


def prices_value(prices: Prices) -> dict[str, Any]:
    """Describe prices, for a million tokens each."""
    return {
        "currency": prices.currency,
        "models": [
            {"model": model, "prompt": price.prompt, "generated": price.generated}
            for model, price in sorted(prices.models.items())
        ],
    }


def latency_table(found: Latency, asked: Wanted) -> str:
    """Write latency as CSV, one line for each step that has any."""

    def rows() -> Iterator[Sequence[object]]:
        for times in found.groups:
            for at, step in zip(found.window.moments, times.steps, strict=True):
                if step.count:
                    yield _moment(at), times.name, step.count, *_milliseconds(step)

    head = ("begin", asked.split.value, "count", "p50_ms", "p95_ms", "p99_ms")
    return _table(head, rows())


def usage_table(found: Usage, asked: Wanted) -> str:
    """Write usage as CSV, one line for each step that has any."""

    def rows() -> Iterator[Sequence[object]]:
        for one in found.groups if asked.split is not Split.NOTHING else (found.all,):
            for at, used in zip(found.window.moments, one.steps, strict=True):
                if used != Used():
                    yield _moment(at), one.name, *_amounts(used).values(), found.prices.currency

    return _table(("begin", asked.split.value, *_amounts(Used()), "currency"), rows())


def milliseconds(seconds: float) -> float:
    """Return milliseconds, rounded to microseconds."""
    return round(seconds * _MILLI, _DIGITS)


def _choice(query: Mapping[str, str], name: str, kind: Callable[[str], _Choice], default: _Choice) -> _Choice:
    try:
        return kind(query.get(name, default.value))
    except ValueError:
        refuse(400, name, f"There is no such {name}.", f"There are: {', '.join(type(default))}.")


def _heading(asked: Wanted, since: int, until: int, step: int) -> dict[str, Any]:
    return {"span": asked.span.value, "by": asked.split.value, "since": since, "until": until, "stepSeconds": step}


def _percentiles(times: Percentiles) -> dict[str, Any]:
    return dict(zip(("count", "p50", "p95", "p99"), (times.count, *_milliseconds(times)), strict=True))


def _milliseconds(times: Percentiles) -> tuple[float, ...]:
    return tuple(map(milliseconds, (times.p50, times.p95, times.p99)))


def _amounts(used: Used) -> dict[str, Any]:
    return {
        "shown": round(used.shown),
        "accepted": round(used.accepted),
        "watched30s": round(used.watched_30s),
        "retained30s": round(used.retained_30s),
        "watched10min": round(used.watched_10min),
        "retained10min": round(used.retained_10min),
        "promptTokens": round(used.prompt_tokens),
        "completionTokens": round(used.completion_tokens),
        "explanationTokens": round(used.explanation_tokens),
        "wastedTokens": round(used.wasted_tokens),
        "cost": round(used.cost, _DIGITS),
        "unpricedTokens": round(used.unpriced_tokens),
    }


def _table(head: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    table.writerow(head)
    table.writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue()


def _cell(value: object) -> object:
    # A spreadsheet takes what begins like this for a formula, and names of models are whatever a server calls them.
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
