"""What editors report about suggestions."""

from __future__ import annotations

from typing import Any

from server.completion import SuggestionRecords
from server.lsp import protocol
from server.lsp.inline_completion import ACCEPTED_COMMAND
from server.lsp.positions import PositionEncoding
from server.lsp.session import HearthLanguageServer

_LONGEST_MS = 600_000
"""What an editor says to have waited longer than that is no time."""


class Telemetry:
    """Shown, accepted, partly accepted, rejected. Reports that make no sense are ignored."""

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        server.handle(protocol.DID_SHOW, self.shown)
        server.handle(protocol.DID_ACCEPT, self.accepted)
        server.handle(protocol.DID_PARTIALLY_ACCEPT, self.partially_accepted)
        server.handle(protocol.DID_REJECT, self.rejected)
        server.protocol.add_command(ACCEPTED_COMMAND, self.accepted_command)

    def shown(self, params: Any) -> None:
        """``hearth/didShowCompletion``."""
        self._records().note_shown(_identifier(params), _seconds(params))

    def accepted(self, params: Any) -> None:
        """``hearth/didAcceptCompletion``."""
        self._accepted(_identifier(params))

    def partially_accepted(self, params: Any) -> None:
        """``hearth/didPartiallyAcceptCompletion``."""
        length = params.get("acceptedLength") if isinstance(params, dict) else None
        record = self._records().get(_identifier(params))
        if record is not None and isinstance(length, int) and length > 0:
            # The editor counts in what it was sent, where the suggestion may follow a selected completion.
            taken = PositionEncoding.UTF16.column(record.lead + record.text, length) - len(record.lead)
            self._records().note_partially_accepted(record.id, taken)

    def rejected(self, params: Any) -> None:
        """``hearth/didRejectCompletion``."""
        self._records().note_rejected(_identifier(params))

    async def accepted_command(self, arguments: list[Any], _: Any) -> None:
        """The command of every item, run by editors that know nothing of the notifications."""
        if arguments and isinstance(arguments[0], str):
            self._accepted(arguments[0])

    def _accepted(self, identifier: str) -> None:
        if self._server.services is not None:
            self._server.services.completion.accepted(identifier)

    def _records(self) -> SuggestionRecords:
        services = self._server.services
        return services.completion.records if services is not None else SuggestionRecords()


def _seconds(params: Any) -> float | None:
    latency = params.get("latency") if isinstance(params, dict) else None
    return latency / 1000 if isinstance(latency, int | float) and 0 <= latency <= _LONGEST_MS else None


def _identifier(params: Any) -> str:
    identifier = params.get("id") if isinstance(params, dict) else None
    return identifier if isinstance(identifier, str) else ""
