"""Which rules' findings are allowed at which paths, by the word of whoever wrote the settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pathspec

from indexer.secrets.rules import rules


class Allowance(Protocol):
    """One entry of the settings; ``indexer.config.AllowedSecrets`` has its fields. Empty ones mean all there are."""

    @property
    def paths(self) -> Sequence[str]:
        """Patterns of paths in a repository, in the syntax of ``.gitignore``."""

    @property
    def rules(self) -> Sequence[str]:
        """Names of rules."""

    @property
    def repositories(self) -> Sequence[str]:
        """Names of repositories in the index."""


@dataclass(frozen=True, slots=True)
class _Entry:
    files: pathspec.GitIgnoreSpec | None
    rules: frozenset[str]
    repositories: frozenset[str]


class Allowances:
    """All entries, arranged for being asked. Several threads may ask."""

    def __init__(self, allowed: Iterable[Allowance]) -> None:
        self._everything = frozenset(rule.name for rule in rules())
        self._entries = [
            _Entry(
                pathspec.GitIgnoreSpec.from_lines(one.paths) if one.paths else None,
                frozenset(one.rules) or self._everything,
                frozenset(one.repositories),
            )
            for one in allowed
        ]

    def rules_at(self, repository: str, path: str) -> frozenset[str]:
        """Return the rules whose findings are allowed in a file of a repository.

        Args:
            repository: Name in the index; nothing is allowed outside of any.
            path: Relative to the repository, separated by ``/``.
        """
        found: frozenset[str] = frozenset()
        for entry in self._entries if repository else ():
            if entry.repositories and repository not in entry.repositories:
                continue
            if entry.files is None or entry.files.match_file(path):
                found |= entry.rules
        return found

    def is_everything(self, allowed: frozenset[str]) -> bool:
        """Tell whether all rules are among those that are allowed."""
        return allowed >= self._everything
