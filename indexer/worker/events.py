"""The lines that pass between a worker process and whoever started it, one JSON object each.

Standard input: requests. Standard output, for each: progress and reports as they come, then an error or that it is
done.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cattrs

from indexer.config import IndexConfig
from indexer.errors import IndexerError
from indexer.types import IndexJob, IndexReport, Progress

Event = Progress | IndexReport

ANEW = "anew"
"""The stage that tells that the index was damaged: whatever else stood in it is to be indexed again."""

DONE = '{"event": "done"}\n'
"""The line after the last event of a request that succeeded."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a worker process is asked to do. ``niceness`` is added to its own; ``wait_seconds`` is for the lock."""

    job: IndexJob
    data: Path
    config: IndexConfig
    wait_seconds: float = 0.0
    niceness: int = 0


def encode_request(request: Request) -> str:
    """Return a request as one line."""
    fields = cattrs.unstructure(replace(request, data=request.data.absolute()))
    return json.dumps(fields) + "\n"


def decode_request(line: str) -> Request:
    """Parse what :func:`encode_request` wrote."""
    return cattrs.structure(json.loads(line), Request)


def encode_event(event: Event | IndexerError) -> str:
    """Return an event or an error as one line."""
    if isinstance(event, IndexerError):
        fields: dict[str, Any] = {"code": event.code, "message": event.message, "advice": event.advice}
        return _line("error", fields)
    return _line("progress" if isinstance(event, Progress) else "report", asdict(event))


def decode_event(line: str) -> Event | IndexerError | None:
    """Parse what :func:`encode_event` wrote; None for :data:`DONE`. An error comes back as an instance, not raised."""
    fields = json.loads(line)
    match fields.pop("event"):
        case "progress":
            return Progress(**fields)
        case "report":
            return IndexReport(**{**fields, "warnings": tuple(fields["warnings"])})
        case "done":
            return None
        case _:
            return _error_class(fields["code"])(fields["message"], advice=fields["advice"])


def _line(kind: str, fields: dict[str, Any]) -> str:
    return json.dumps({"event": kind, **fields}) + "\n"


def _error_class(code: str) -> type[IndexerError]:
    waiting: list[type[IndexerError]] = [IndexerError]
    while waiting:
        candidate = waiting.pop()
        if candidate.code == code:
            return candidate
        waiting += candidate.__subclasses__()
    return IndexerError
