"""The log of a service: lines for people, or one JSON object a line for whatever collects logs."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from indexer.terminal import OneLine
from server.config import LogConfig
from server.correlation import REQUEST_ID, SESSION, RequestIdFilter

_TEXT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(request)s%(message)s"


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object, whose keys `docs/operations/logs.md` lists."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object on one line; line ends in it are escaped."""
        user, session = SESSION.get()
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            "request": REQUEST_ID.get(),
            "session": session,
            "user": user,
        }
        if record.exc_info and record.exc_info[0] is not None:
            facts["error"] = record.exc_info[0].__name__
            facts["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in facts.items() if value not in ("", None)}, ensure_ascii=False)


def start_service_log(config: LogConfig, handler: logging.Handler) -> None:
    """Log what a service has to say to ``handler``.

    That a line cannot be written, because the disk is full or nobody reads any more, costs that line and nothing else.
    """
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(JsonLines() if config.format == "json" else OneLine(_TEXT))
    level = "DEBUG" if os.environ.get("HEARTH_DEBUG") else config.level.upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Otherwise each such line would be followed by an attempt to write a traceback about it.
    logging.raiseExceptions = False
    # pygls logs whole messages, and with them the text of files; what fails is logged by the session.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    logging.getLogger("faiss").setLevel(logging.WARNING)
