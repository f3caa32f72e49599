"""Fields of a request beyond the OpenAI API, which a server may or may not take."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from server.errors import EngineRefused

_log = logging.getLogger(__name__)


class OptionalFields:
    """Learns from its refusals which of them one server takes."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def taken(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return those fields that the server has not refused yet."""
        return {name: value for name, value in fields.items() if name not in self._refused}

    def learn(self, error: EngineRefused, sent: Mapping[str, Any]) -> bool:
        """Note which of the fields ``sent`` the refusal names; whether trying again without them makes sense."""
        named = {name for name in sent if name in error.message}
        for name in sorted(named):
            _log.warning("the model server does not take %s, which is left out from now on: %s", name, error.message)
        self._refused |= named
        return bool(named)
