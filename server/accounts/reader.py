"""What is asked of accounts at every request: one row each, found by an index, whatever others write meanwhile."""

from __future__ import annotations

import hmac
import re
import sqlite3
import threading
import time
from collections.abc import Collection, Sequence
from fnmatch import translate
from pathlib import Path
from typing import Any

from server.accounts.private import open_reading
from server.accounts.schema import ADVICE
from server.accounts.tokens import digest
from server.accounts.values import TOKENS, Token, read_token
from server.errors import AccountsError

_PATTERN = re.compile(r"[*?[]")
_LOOK_SECONDS = 0.02
"""A look for each of the questions that one request asks adds up."""
_TOKEN = TOKENS + " JOIN users ON users.name = user_name"


class AccountsReader:
    """Answers what the event loop asks, each within microseconds. Several threads may use one object.

    No account is remembered here: what was committed before a question, by whichever process, is in its answer.

    Args:
        path: The file of accounts, with the tables of today.

    Raises:
        sqlite3.Error: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._database = open_reading(path)
        self._version = 0
        self._look_at = 0.0

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            self._database.close()

    def version(self) -> int:
        """Return a number that differs when anything was changed since.

        What another process changed in the last 20 ms may be unseen, except after :meth:`look_again`.

        Raises, as everything here does, AccountsError when the file cannot be read.
        """
        now = time.monotonic()
        if now >= self._look_at:
            # Put off first: a change that is noted while the file is looked at makes for another look.
            self._look_at = now + _LOOK_SECONDS
            try:
                self._version = int(self._rows("PRAGMA data_version")[0][0])
            except AccountsError:
                self._look_at = 0.0
                raise
        return self._version

    def look_again(self) -> None:
        """Let the next question for the version look at the file."""
        self._look_at = 0.0

    def empty(self) -> bool:
        """Whether there is no account. A server without any is one developer's own."""
        return not self._rows("SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM tokens)")[0][0]

    def authenticate(self, secret: str, now: float) -> Token | None:
        """Return the token that ``secret`` is, if it may be used."""
        # Found by a digest: how long the look takes says nothing of the secret.
        presented = digest(secret)
        rows = self._rows(_TOKEN + " WHERE digest = ?", presented)
        token = read_token(rows[0]) if rows else None
        if token is None or not hmac.compare_digest(token.digest, presented):
            return None
        return token if token.usable(now) else None

    def token(self, token_id: str) -> Token | None:
        """Return the token of an id, whether it may be used or not; ``None`` also when its user is gone."""
        rows = self._rows(_TOKEN + " WHERE id = ?", token_id)
        return read_token(rows[0]) if rows else None

    def groups(self, user: str) -> frozenset[str] | None:
        """Return the groups of a user; ``None`` when there is no such user."""
        rows = self._rows("SELECT group_name FROM users LEFT JOIN members ON user_name = name WHERE name = ?", user)
        return frozenset(group for (group,) in rows if group is not None) if rows else None

    def readable(self, user: str, repositories: Collection[str]) -> frozenset[str]:
        """Return those of ``repositories`` that a group of the user was granted."""
        granted = {
            repository
            for (repository,) in self._rows(
                "SELECT repository FROM members JOIN grants USING (group_name) WHERE user_name = ?", user
            )
        }
        patterns = {name for name in granted if _PATTERN.search(name)}
        found = (granted - patterns).intersection(repositories)
        if patterns:
            # One expression for all of them: there may be thousands of names.
            matches = re.compile("|".join(map(translate, sorted(patterns)))).match
            found.update(name for name in repositories if matches(name))
        return frozenset(found)

    def _rows(self, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise AccountsError(f"{self._path} cannot be read: {error}", advice=ADVICE) from error
