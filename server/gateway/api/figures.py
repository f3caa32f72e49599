"""The routes of ``/api/v1`` for latency, usage and prices."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from server.accounts import TokenScope
from server.errors import RequestRefused
from server.gateway.api.body import read_object
from server.gateway.api.routes import LetIn
from server.gateway.audit import Audit
from server.gateway.figures import Wanted, latency_value, prices_value, usage_value, wanted
from server.gateway.readings import Readings
from server.gateway.responses import refuse
from server.history import Price, Prices

_READERS = (TokenScope.COMPLETE, TokenScope.EXPLAIN, TokenScope.SEARCH, TokenScope.ADMIN)
_PRICES = "/api/v1/prices"


class Figures:
    """Answers what was measured over time.

    Args:
        let_in: Recognises who asks.
        readings: What was measured.
        audit: Where changes of prices are written down.
    """

    def __init__(self, let_in: LetIn, readings: Readings, audit: Audit) -> None:
        self._let_in = let_in
        self._readings = readings
        self._audit = audit

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_get("/api/v1/latency", self._latency)
        router.add_get("/api/v1/usage", self._usage)
        router.add_get(_PRICES, self._prices)
        router.add_put(_PRICES, self._set_prices)

    async def _latency(self, request: web.Request) -> web.Response:
        asked = self._wanted(request)
        return web.json_response(latency_value(await self._readings.latency(asked), asked))

    async def _usage(self, request: web.Request) -> web.Response:
        asked = self._wanted(request)
        return web.json_response(usage_value(await self._readings.usage(asked.span, asked.split), asked))

    async def _prices(self, request: web.Request) -> web.Response:
        self._let_in(request, *_READERS)
        return web.json_response(prices_value(await self._readings.prices()))

    async def _set_prices(self, request: web.Request) -> web.Response:
        visitor = self._let_in(request, TokenScope.ADMIN)
        try:
            prices = _read_prices(await read_object(request, visitor))
        except RequestRefused as error:
            refuse(400, error.code, error.message, error.advice)
        await self._readings.change_prices(lambda _: prices)
        self._audit.note("prices-set", user=visitor.user, currency=prices.currency, models=sorted(prices.models))
        return web.json_response(prices_value(prices))

    def _wanted(self, request: web.Request) -> Wanted:
        visitor = self._let_in(request, *_READERS)
        return wanted(request.query, admin=visitor.may(TokenScope.ADMIN))


def _read_prices(given: dict[str, Any]) -> Prices:
    currency, rows = given.get("currency"), given.get("models")
    if not isinstance(currency, str) or not isinstance(rows, list) or given.keys() != {"currency", "models"}:
        refuse(
            400, "fields", "Prices are an object with `currency` and `models`.", "/api/v1/openapi.json describes it."
        )
    models: dict[str, Price] = {}
    for row in rows:
        if not isinstance(row, dict) or row.keys() != {"model", "prompt", "generated"}:
            refuse(400, "fields", "A price is an object with `model`, `prompt` and `generated`.")
        if not isinstance(row["model"], str) or not _is_number(row["prompt"]) or not _is_number(row["generated"]):
            refuse(400, "fields", "The model of a price is a string, and both prices are numbers.")
        if row["model"] in models:
            refuse(400, "fields", "A model has two prices.")
        models[row["model"]] = Price(float(row["prompt"]), float(row["generated"]))
    return Prices(currency, models)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
