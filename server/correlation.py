"""One id for all that is done for one request of an editor: in records, in log lines, and at the model server."""

from __future__ import annotations

import logging
import re
import secrets
from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that the current task works for; tasks inherit it from the task that starts them."""

SESSION: ContextVar[tuple[str, str]] = ContextVar("session", default=("", ""))
"""The user of the team server, and the id of their editor's session, that the current task works for."""

_USABLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def new_request_id() -> str:
    """Make an id: 16 hexadecimal digits, not to be guessed."""
    return secrets.token_hex(8)


def usable_request_id(given: str) -> str:
    """Return ``given`` if it can stand in a header and a log line as it is, else a new id."""
    return given if _USABLE.fullmatch(given) else new_request_id()


class RequestIdFilter(logging.Filter):
    """Gives each record the attribute ``request``: the id in brackets with a blank after it, or nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything through."""
        identifier = REQUEST_ID.get()
        record.request = f"[{identifier}] " if identifier else ""
        return True
