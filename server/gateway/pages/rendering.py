"""Templates in, answers out: escaped always, and with a policy that lets a browser load nothing but our own files."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from server.gateway.pages.drawing import Drawing

# Referrers within the site are what makes browsers name their origin with forms.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MOST_UNITS = 2
_SMALLEST_IN_MEGABYTES = 100_000


def make_templates(drawing: Drawing | None) -> Environment:
    """Load the templates of this package; ``drawing`` is what draws their charts, if anything does."""
    templates = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        enable_async=False,
    )
    templates.filters |= {"ago": ago, "moment": moment, "thousands": thousands, "price": price, "size": size}
    templates.globals["drawing"] = drawing
    return templates


def html(body: str, status: int = 200) -> web.Response:
    """Return a page as an answer."""
    return web.Response(text=body, content_type="text/html", status=status, headers=HEADERS)


def ago(seconds: float) -> str:
    """Say how long a time since the epoch has passed, or will take to come."""
    distance = time.time() - seconds
    amount, unit = _amount(abs(distance))
    return f"{amount} {unit} ago" if distance >= 0 else f"in {amount} {unit}"


def moment(seconds: float) -> str:
    """Write a time since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def thousands(value: Any) -> str:
    """Write a number with its thousands apart."""
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:,.2f}".replace(",", "\u202f")


def price(value: float) -> str:
    """Write a price with all its digits, and with those of a coin at least."""
    whole, _, digits = f"{value:.10f}".rstrip("0").partition(".")
    return f"{whole}.{digits:0<2}"


def size(count: int) -> str:
    """Write a number of bytes."""
    return f"{count / 1e6:.1f} MB" if count >= _SMALLEST_IN_MEGABYTES else f"{count / 1e3:.1f} kB"


def _amount(seconds: float) -> tuple[int, str]:
    for length, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= _MOST_UNITS * length:
            return round(seconds / length), unit
    return round(seconds), "s"
