"""Accounts on disk: one SQLite file in the data directory, readable by its owner alone."""

from __future__ import annotations

import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.errors import IndexCorrupt
from server.accounts.private import open_private, transaction
from server.accounts.reader import AccountsReader
from server.accounts.schema import ADVICE, SCHEMA
from server.accounts.tokens import TokenKind, TokenScope, digest, new_secret
from server.accounts.values import TOKENS, Directory, Token, read_token
from server.errors import AccountsError

FILE_NAME = "accounts.sqlite"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_PATTERN = re.compile(r"[^\s\x00-\x1f]{1,256}")
_MOST_SHOWN = 128
_REVOKE_DESCENDANTS = """
WITH RECURSIVE ended (id) AS (VALUES (?) UNION SELECT tokens.id FROM tokens JOIN ended ON tokens.parent = ended.id)
UPDATE tokens SET revoked = ? WHERE id IN ended AND revoked = 0
"""


class Accounts:
    """Users, groups, grants and tokens. Several processes and threads may use one file at the same time.

    Args:
        data: The data directory; made when it is not there.

    Attributes:
        reader: Answers what is asked at every request. Everything else here may wait for others that write.

    Raises:
        AccountsError: The file cannot be used.
        NewerData: A newer Hearth made it.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / FILE_NAME
        self._lock = threading.Lock()
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = open_private(self._path)
            self._prepare()
            self.reader = AccountsReader(self._path)
        except (OSError, sqlite3.Error, IndexCorrupt) as error:
            raise AccountsError(f"{self._path} cannot be used: {error}", advice=ADVICE) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self.reader.close()
        with self._lock:
            self._database.close()

    def directory(self) -> Directory:
        """Return every account as it is now: some ten milliseconds for a thousand users, and turns with writers.

        Raises:
            AccountsError: The file cannot be read.
        """
        try:
            with self._lock, transaction(self._database, "BEGIN"):
                return self._read()
        except sqlite3.Error as error:
            raise AccountsError(f"{self._path} cannot be read: {error}", advice=ADVICE) from error

    def add_user(self, user: str, groups: Collection[str] = ()) -> None:
        """Add a user, in some groups.

        Raises:
            AccountsError: There is one of that name, or the name is not one.
        """
        _check_names("user", [user])
        _check_names("group", groups)
        with self._writing() as database:
            if database.execute("SELECT 1 FROM users WHERE name = ?", (user,)).fetchone():
                raise AccountsError(f"there is a user {user!r} already")
            database.execute("INSERT INTO users VALUES (?, ?)", (user, time.time()))
            database.executemany("INSERT INTO members VALUES (?, ?)", [(group, user) for group in sorted(set(groups))])

    def remove_user(self, user: str) -> None:
        """Remove a user and revoke their tokens.

        Raises:
            AccountsError: There is none of that name.
        """
        with self._writing() as database:
            _require_user(database, user)
            database.execute("UPDATE tokens SET revoked = ? WHERE user_name = ? AND revoked = 0", (time.time(), user))
            database.execute("DELETE FROM users WHERE name = ?", (user,))

    def add_to_group(self, group: str, *, users: Collection[str] = (), repositories: Collection[str] = ()) -> None:
        """Put users into a group, and let it read repositories: names, or patterns with ``*``.

        Raises:
            AccountsError: There is no such user, or a name is not one.
        """
        _check_names("group", [group])
        for pattern in repositories:
            if not _PATTERN.fullmatch(pattern):
                raise AccountsError(f"{pattern!r} is not the name of a repository, nor a pattern for some")
        with self._writing() as database:
            for user in users:
                _require_user(database, user)
                database.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (group, user))
            database.executemany("INSERT OR IGNORE INTO grants VALUES (?, ?)", [(group, name) for name in repositories])

    def remove_from_group(self, group: str, *, users: Collection[str] = (), repositories: Collection[str] = ()) -> None:
        """Take users out of a group and repositories from it; with neither the whole group goes.

        Raises:
            AccountsError: There is nothing of the kind to take.
        """
        with self._writing() as database:
            if not users and not repositories:
                members = database.execute("DELETE FROM members WHERE group_name = ?", (group,)).rowcount
                grants = database.execute("DELETE FROM grants WHERE group_name = ?", (group,)).rowcount
                if not members + grants:
                    raise AccountsError(f"there is no group {group!r}", advice="`hearth group list` shows them.")
            for user in users:
                _require_change(
                    database.execute("DELETE FROM members WHERE group_name = ? AND user_name = ?", (group, user)),
                    f"{user!r} is not in group {group!r}",
                )
            for name in repositories:
                _require_change(
                    database.execute("DELETE FROM grants WHERE group_name = ? AND repository = ?", (group, name)),
                    f"group {group!r} was not granted {name!r}",
                )

    def admit(self, issuer: str, subject: str, user: str, groups: Collection[str]) -> str:
        """Let in somebody whom a provider vouches for, as a member of these groups and no others.

        Args:
            issuer: Which provider.
            subject: Who they are there, for ever.
            user: What a new user is called; whoever was here before keeps their name.
            groups: Where they belong now.

        Returns:
            The name of the user that they are.

        Raises:
            AccountsError: Somebody else has that name, or it is not one.
        """
        _check_names("group", groups)
        with self._writing() as database:
            known = _user_of(database, issuer, subject)
            if known is None:
                _check_names("user", [user])
                if database.execute("SELECT 1 FROM users WHERE name = ?", (user,)).fetchone():
                    raise AccountsError(
                        f"there is a user {user!r} already, who is somebody else",
                        advice=f"If they are the same, an administrator removes the old one: hearth user remove {user}",
                    )
                database.execute("INSERT INTO users VALUES (?, ?)", (user, time.time()))
                database.execute("INSERT INTO identities VALUES (?, ?, ?)", (issuer, subject, user))
            name = known or user
            database.execute("DELETE FROM members WHERE user_name = ?", (name,))
            database.executemany("INSERT INTO members VALUES (?, ?)", [(group, name) for group in sorted(set(groups))])
        return name

    def withdraw(self, issuer: str, subject: str) -> str | None:
        """Take groups and sign-ins from somebody whom a provider does not let in any more; return who they were."""
        with self._writing() as database:
            user = _user_of(database, issuer, subject)
            if user is not None:
                database.execute("DELETE FROM members WHERE user_name = ?", (user,))
                database.execute(
                    "UPDATE tokens SET revoked = ? WHERE user_name = ? AND kind != ? AND revoked = 0",
                    (time.time(), user, TokenKind.MADE),
                )
        return user

    def add_token(
        self,
        user: str,
        scopes: Collection[TokenScope],
        *,
        label: str = "",
        seconds: float = 0.0,
        kind: TokenKind = TokenKind.MADE,
        parent: str = "",
    ) -> tuple[Token, str]:
        """Make a token; the second value is the secret, which is stored nowhere. Also forgets sign-ins that are over.

        Args:
            user: Whose it is.
            scopes: What it may be used for.
            label: What it is for, for people.
            seconds: How long it lasts; 0.0 means until it is revoked.
            kind: What it came from.
            parent: The token that it is revoked with.

        Raises:
            AccountsError: There is no such user, or the parent was revoked or is over.
        """
        secret, now = new_secret(), time.time()
        expires = now + seconds if seconds else 0.0
        token_id = secrets.token_hex(4)
        token = Token(token_id, user, label, frozenset(scopes), now, expires, 0.0, kind, parent, digest(secret))
        with self._writing() as database:
            _require_user(database, user)
            if parent:
                _require_usable(database, parent, now)
            # Everybody leaves one of these a day, and what became of them stands in the audit log.
            database.execute(
                "DELETE FROM tokens WHERE kind != ? AND (revoked > 0 OR expires BETWEEN 1 AND ?)", (TokenKind.MADE, now)
            )
            database.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (token_id, user, label, token.digest, " ".join(sorted(scopes)), now, expires, 0.0, kind, parent),
            )
        return token, secret

    def revoke_token(self, token_id: str) -> Token:
        """Make a token, and what was given out on its strength, useless from now on, and return it.

        Raises:
            AccountsError: There is none of that id, or it is revoked already.
        """
        now = time.time()
        with self._writing() as database:
            _require_change(
                database.execute("UPDATE tokens SET revoked = ? WHERE id = ? AND revoked = 0", (now, token_id)),
                f"there is no token {token_id!r} to revoke",
            )
            database.execute(_REVOKE_DESCENDANTS, (token_id, now))
            row = database.execute(TOKENS + " WHERE id = ?", (token_id,)).fetchone()
        return read_token(row)

    def forget_sign_in(self, token_id: str) -> None:
        """Forget the token that one browser's sign-in at a provider stood on; any other token stays. Idempotent."""
        with self._writing() as database:
            database.execute("DELETE FROM tokens WHERE id = ? AND kind = ?", (token_id, TokenKind.BROWSER))

    def _prepare(self) -> None:
        database = self._database
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("PRAGMA busy_timeout = 5000")
        with transaction(database):
            SCHEMA.prepare(database, self._path)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                with transaction(self._database):
                    yield self._database
                self.reader.look_again()
            except sqlite3.Error as error:
                raise AccountsError(
                    f"{self._path} cannot be written: {error}", advice="Is the disk full? Is it another user's file?"
                ) from error

    def _read(self) -> Directory:
        database = self._database
        users: dict[str, set[str]] = {name: set() for (name,) in database.execute("SELECT name FROM users")}
        for group, user in database.execute("SELECT group_name, user_name FROM members"):
            users.setdefault(user, set()).add(group)
        grants: dict[str, set[str]] = {}
        for group, repository in database.execute("SELECT group_name, repository FROM grants"):
            grants.setdefault(group, set()).add(repository)
        tokens = database.execute(TOKENS + " ORDER BY created, id")
        return Directory(
            {name: frozenset(groups) for name, groups in sorted(users.items())},
            {name: frozenset(repositories) for name, repositories in sorted(grants.items())},
            {token.id: token for token in map(read_token, tokens)},
            dict(database.execute("SELECT user_name, issuer FROM identities")),
        )


def _check_names(kind: str, names: Collection[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise AccountsError(
                f"{name[:_MOST_SHOWN]!r} cannot be the name of a {kind}",
                advice="Names have letters, digits and . _ @ + -, and begin with a letter or digit.",
            )


def _user_of(database: sqlite3.Connection, issuer: str, subject: str) -> str | None:
    row = database.execute(
        "SELECT user_name FROM identities WHERE issuer = ? AND subject = ?", (issuer, subject)
    ).fetchone()
    return str(row[0]) if row else None


def _require_user(database: sqlite3.Connection, user: str) -> None:
    if not database.execute("SELECT 1 FROM users WHERE name = ?", (user,)).fetchone():
        raise AccountsError(f"there is no user {user!r}", advice=f"Add them first: hearth user add {user}")


def _require_usable(database: sqlite3.Connection, token_id: str, now: float) -> None:
    statement = "SELECT 1 FROM tokens WHERE id = ? AND revoked = 0 AND (expires = 0 OR expires > ?)"
    if not database.execute(statement, (token_id, now)).fetchone():
        raise AccountsError(f"the token {token_id!r} was revoked or is over, and nothing stands on it any more")


def _require_change(done: sqlite3.Cursor, otherwise: str) -> None:
    if not done.rowcount:
        raise AccountsError(otherwise, advice="`hearth user list`, `group list` and `token list` show what there is.")
