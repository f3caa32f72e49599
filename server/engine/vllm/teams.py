"""Which model a team's texts come from: its own, such as a LoRA adapter, while the server lists it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from server.errors import EngineError

_log = logging.getLogger(__name__)

_RECHECK_SECONDS = 60.0
"""How long a model that the server did not list is not asked for again."""


class TeamModels:
    """The models of teams.

    Args:
        teams: Model by team.
        list_models: Asks the server for the names of its models; may raise ``EngineError``.
        work: What it writes for them, for people.
        table: Where the settings say so, for people.
    """

    def __init__(
        self,
        teams: Mapping[str, str],
        list_models: Callable[[], Awaitable[list[str]]],
        work: str = "completions",
        table: str = "[engine.vllm.teams]",
    ) -> None:
        self._teams = teams
        self._work = work
        self._table = table
        self._list_models = list_models
        self._listed: frozenset[str] = frozenset()
        self._asked_at = float("-inf")
        self._warned: set[str] = set()

    async def model(self, team: str) -> str:
        """Return the team's model; empty when it has none, or the server lists none of that name."""
        name = self._teams.get(team, "")
        if not name or name in self._listed:
            return name
        now = asyncio.get_running_loop().time()
        if now - self._asked_at >= _RECHECK_SECONDS:
            try:
                self._listed = frozenset(await self._list_models())
            except EngineError:
                return ""  # the request itself will say what is wrong with the server
            self._asked_at = now
        if name in self._listed:
            return name
        if name not in self._warned:
            self._warned.add(name)
            _log.warning(
                "the model server does not list %s, the model of team %s in %s; its %s come from the default model",
                name,
                team,
                self._table,
                self._work,
            )
        return ""

    def missing(self, listed: list[str]) -> tuple[str, ...]:
        """Return the models of teams that are not among those listed."""
        return tuple(sorted(set(self._teams.values()) - set(listed)))
