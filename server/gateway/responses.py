"""The form of every answer: JSON, errors with a code and advice, headers that let a browser do nothing with it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from aiohttp import web

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "hearth",
}
STRICT_TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}
_ERRORS: dict[int, type[web.HTTPError]] = {
    400: web.HTTPBadRequest,
    401: web.HTTPUnauthorized,
    403: web.HTTPForbidden,
    404: web.HTTPNotFound,
    409: web.HTTPConflict,
    415: web.HTTPUnsupportedMediaType,
    426: web.HTTPUpgradeRequired,
    429: web.HTTPTooManyRequests,
    503: web.HTTPServiceUnavailable,
}


def error_body(code: str, message: str, advice: str = "") -> dict[str, Any]:
    """Return an error as it stands in every answer."""
    return {"error": {"code": code, "message": message, "advice": advice}}


def refuse(status: int, code: str, message: str, advice: str = "", headers: dict[str, str] | None = None) -> NoReturn:
    """End a request with an error.

    Raises:
        web.HTTPError: Always.
    """
    text = json.dumps(error_body(code, message, advice))
    raise _ERRORS[status](text=text, content_type="application/json", headers=headers)
