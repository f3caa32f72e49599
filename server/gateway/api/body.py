"""Reading the JSON body of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.gateway.responses import refuse

_MOST_NUMBER = 100_000


async def read_fields(request: web.Request, known: Mapping[str, type]) -> dict[str, Any]:
    """Read a JSON object whose fields are all optional, and of these types.

    Raises:
        web.HTTPError: It is not that.
    """
    given = await read_object(request)
    for name, value in given.items():
        wanted = known.get(name)
        if wanted is None:
            refuse(400, "fields", f"There is no field {name!r} here.", f"There are: {', '.join(known)}.")
        if not _is_a(value, wanted):
            refuse(400, "fields", f"The value of {name!r} is not of its type.", "/api/v1/openapi.json has them.")
    return given


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        web.HTTPError: It is none.
    """
    # What a form of another site can send is never JSON by its content type.
    if request.content_type != "application/json":
        refuse(415, "content-type", "The body must be JSON.", "Send the header `Content-Type: application/json`.")
    try:
        given = json.loads(await request.read())
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        refuse(400, "fields", "The body is not a JSON object.")
    return given


def _is_a(value: Any, wanted: type) -> bool:
    if wanted is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if wanted is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and 0 <= value <= _MOST_NUMBER
    # Python counts truth values among the whole numbers.
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
