"""The audit log: the newest events, filtered, and an export of them."""

from __future__ import annotations

import json
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from server.gateway.audit import read
from server.gateway.pages.desk import Desk, Guest
from server.gateway.pages.rendering import HEADERS

_SHOWN = 200
_EXPORTED = 50_000
_OWN_COLUMNS = frozenset({"at", "event", "user"})


class AuditPage:
    """The page of the audit log.

    Args:
        desk: Renders it.
        data: The data directory.
    """

    def __init__(self, desk: Desk, data: Path) -> None:
        self._desk = desk
        self._data = data

    async def show(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /audit?user=…&event=…``: the newest first."""
        user, event = request.query.get("user", "").strip(), request.query.get("event", "").strip()
        lines = await self._desk.in_thread(partial(_newest, self._data, user, event, _SHOWN))
        rows = [_row(json.loads(line)) for line in reversed(lines)]
        return self._desk.page(guest, "audit.html", here="/audit", wanted_user=user, wanted_event=event, rows=rows)

    async def export(self, request: web.Request, _: Guest) -> web.Response:
        """``GET /audit/export?user=…&event=…``: the same, and more of it, one JSON object a line."""
        user, event = request.query.get("user", "").strip(), request.query.get("event", "").strip()
        lines = await self._desk.in_thread(partial(_newest, self._data, user, event, _EXPORTED))
        return web.Response(
            text="".join(f"{line}\n" for line in lines),
            content_type="application/x-ndjson",
            headers={"Content-Disposition": 'attachment; filename="hearth-audit.jsonl"', **HEADERS},
        )


def _newest(data: Path, user: str, event: str, most: int) -> list[str]:
    """Return the newest matching lines, oldest first. Blocks."""
    found: deque[str] = deque(maxlen=most)
    for line in read(data):
        try:
            value = json.loads(line)
        except ValueError:
            # A line that a full disk cut off.
            continue
        if (not user or value.get("user") == user) and (not event or value.get("event") == event):
            found.append(line)
    return list(found)


def _row(value: dict[str, Any]) -> dict[str, str]:
    facts = {name: fact for name, fact in value.items() if name not in _OWN_COLUMNS}
    return {
        "at": str(value.get("at", ""))[:19].replace("T", " "),
        "event": str(value.get("event", "")),
        "user": str(value.get("user", "")),
        "facts": ", ".join(
            f"{name}: {' '.join(map(str, fact)) if isinstance(fact, list) else fact}" for name, fact in facts.items()
        ),
    }
