"""Usage: what was suggested and taken, the tokens of it, and what those would cost where they are sold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from server.gateway.audit import Audit
from server.gateway.figures import splits_for, usage_table, wanted
from server.gateway.pages.charts import Chart, chart
from server.gateway.pages.desk import Desk, Guest
from server.gateway.pages.latency import SPANS, csv_file
from server.gateway.pages.rendering import HEADERS
from server.gateway.readings import Readings
from server.gateway.responses import refuse
from server.history import ANY_MODEL, Price, Span, Split, Usage, Used


class UsagePage:
    """The page of usage.

    Args:
        desk: Renders it.
        readings: What was measured.
        audit: Where changes of prices are written down.
    """

    def __init__(self, desk: Desk, readings: Readings, audit: Audit) -> None:
        self._desk = desk
        self._readings = readings
        self._audit = audit
        self._changes: Mapping[str, Callable[[Guest, Mapping[str, str]], Awaitable[None]]] = {
            "set-price": self._set_price,
            "remove-price": self._remove_price,
            "set-currency": self._set_currency,
        }

    async def show(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /usage?span=…&by=…``."""
        asked = wanted(request.query, admin=guest.admin)

        found = await self._readings.usage(asked.span, asked.split)
        by_model = await self._readings.usage(Span.MONTH, Split.MODEL)
        steps = zip(found.window.moments, found.all.steps, strict=True)
        return self._desk.page(
            guest,
            "usage.html",
            here="/usage",
            asked=asked,
            spans=SPANS,
            splits=splits_for(admin=guest.admin),
            whole=_row(found.all.all),
            groups=[(one.name, _row(one.all)) for one in found.groups],
            steps=[(at, _row(used)) for at, used in steps if used != Used()],
            charts=_charts(found),
            currency=found.prices.currency,
            prices=sorted(found.prices.models.items()),
            any_model=ANY_MODEL,
            models=[one.name for one in by_model.groups if one.all.prompt_tokens or one.all.completion_tokens],
        )

    async def export(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /usage/export?span=…&by=…``: step by step, as CSV."""
        asked = wanted(request.query, admin=guest.admin)
        found = await self._readings.usage(asked.span, asked.split)
        return csv_file("hearth-usage.csv", usage_table(found, asked))

    async def change(self, guest: Guest, fields: Mapping[str, str]) -> web.Response:
        """``POST /usage``: change prices as the button says."""
        change = self._changes.get(fields.get("action", ""))
        if change is None:
            refuse(400, "action", "This form asks for nothing that there is.")
        await change(guest, fields)
        return web.Response(status=303, headers={"Location": "/usage#prices", **HEADERS})

    async def _set_price(self, guest: Guest, fields: Mapping[str, str]) -> None:
        model = fields.get("model", "").strip()
        price = Price(_amount(fields, "prompt"), _amount(fields, "generated"))
        await self._readings.change_prices(lambda prices: replace(prices, models={**prices.models, model: price}))
        self._audit.note(
            "price-set", user=guest.visitor.user, subject=model, prompt=price.prompt, generated=price.generated
        )

    async def _remove_price(self, guest: Guest, fields: Mapping[str, str]) -> None:
        model = fields.get("model", "")
        await self._readings.change_prices(
            lambda prices: replace(prices, models={name: one for name, one in prices.models.items() if name != model})
        )
        self._audit.note("price-removed", user=guest.visitor.user, subject=model)

    async def _set_currency(self, guest: Guest, fields: Mapping[str, str]) -> None:
        currency = fields.get("currency", "").strip()
        await self._readings.change_prices(lambda prices: replace(prices, currency=currency))
        self._audit.note("currency-set", user=guest.visitor.user, subject=currency)


def _charts(found: Usage) -> list[Chart]:
    moments, steps = found.window.moments, found.all.steps
    if not any(used != Used() for used in steps):
        return []
    suggestions = {
        "taken": [round(used.accepted) for used in steps],
        "shown and not taken": [round(max(0.0, used.shown - used.accepted)) for used in steps],
    }
    tokens = {
        "completions, seen": [round(max(0.0, used.completion_tokens - used.wasted_tokens)) for used in steps],
        "completions, wasted": [round(used.wasted_tokens) for used in steps],
        "explanations": [round(used.explanation_tokens) for used in steps],
    }
    return [
        chart("Suggestions", moments, suggestions, x_title="UTC", y_title="suggestions", times=True, kind="stacked"),
        chart("Tokens generated", moments, tokens, x_title="UTC", y_title="tokens", times=True, kind="stacked"),
    ]


def _row(used: Used) -> dict[str, Any]:
    """Return amounts as people are told them; None where there is nothing to tell."""
    return {
        "shown": round(used.shown),
        "accepted": round(used.accepted),
        "rate": _share(used.accepted, used.shown),
        "retained_30s": _share(used.retained_30s, used.watched_30s),
        "retained_10min": _share(used.retained_10min, used.watched_10min),
        "prompt": round(used.prompt_tokens),
        "generated": round(used.completion_tokens + used.explanation_tokens),
        "wasted": round(used.wasted_tokens),
        "wasted_share": _share(used.wasted_tokens, used.completion_tokens),
        "cost": used.cost if used.cost or not used.unpriced_tokens else None,
        "unpriced": round(used.unpriced_tokens),
    }


def _share(part: float, whole: float) -> str | None:
    return f"{100 * part / whole:.1f} %" if whole else None


def _amount(fields: Mapping[str, str], name: str) -> float:
    try:
        return float(fields.get(name, "").strip().replace(",", "."))
    except ValueError:
        refuse(400, name, "That is no price.", "Write a number, such as 0.15, for a million tokens.")
