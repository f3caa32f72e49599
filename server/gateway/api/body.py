"""Reading the JSON body of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.gateway.access import Visitor
from server.gateway.responses import refuse

_MOST_NUMBER = 100_000


async def read_fields(request: web.Request, visitor: Visitor | None, known: Mapping[str, type]) -> dict[str, Any]:
    """Read a JSON object whose fields are all optional, and of these types; see :func:`read_object`."""
    given = await read_object(request, visitor)
    for name, value in given.items():
        wanted = known.get(name)
        if wanted is None:
            refuse(400, "fields", f"There is no field {name!r} here.", f"There are: {', '.join(known)}.")
        if not _is_a(value, wanted):
            refuse(400, "fields", f"The value of {name!r} is not of its type.", "/api/v1/openapi.json has them.")
    return given


async def read_object(request: web.Request, visitor: Visitor | None) -> dict[str, Any]:
    """Read a JSON object that somebody sends who was let in; ``None`` is somebody who need not be known.

    Raises:
        web.HTTPError: It is none, or they may not be here any more.
    """
    # What a form of another site can send is never JSON by its content type.
    if request.content_type != "application/json":
        refuse(415, "content-type", "The body must be JSON.", "Send the header `Content-Type: application/json`.")
    try:
        given = json.loads(await request.read())
    except (ValueError, RecursionError):
        given = None
    refuse_departed(visitor)
    if not isinstance(given, dict):
        refuse(400, "fields", "The body is not a JSON object.")
    return given


def refuse_departed(visitor: Visitor | None) -> None:
    """Refuse what was asked for once its body is there: that can be on its way for as long as a request may last.

    Raises:
        web.HTTPError: Whoever sent it was shut out meanwhile.
    """
    if visitor is not None and not visitor.welcome:
        refuse(401, "sign-in", "This token was revoked or has expired while the request was on its way.")


def _is_a(value: Any, wanted: type) -> bool:
    if wanted is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if wanted is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and 0 <= value <= _MOST_NUMBER
    # Python counts truth values among the whole numbers.
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
