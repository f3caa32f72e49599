"""Users, groups and tokens in a real file, with a second process's view of it where that matters."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import NewerData
from server.accounts import Accounts, TokenKind, TokenScope
from server.accounts.private import open_reading
from server.accounts.schema import SCHEMA
from server.accounts.store import FILE_NAME
from server.accounts.tokens import is_well_formed, new_secret
from server.errors import AccountsError
from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import HEARTH

EDITOR = {TokenScope.COMPLETE}
ISSUER = "https://sign-in.example.invalid"
FIRST_VERSION = """
CREATE TABLE users (name TEXT PRIMARY KEY, created REAL NOT NULL) STRICT;
CREATE TABLE members (
    group_name TEXT NOT NULL, user_name TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    PRIMARY KEY (group_name, user_name)
) STRICT, WITHOUT ROWID;
CREATE TABLE grants (
    group_name TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (group_name, repository)
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, user_name TEXT NOT NULL, label TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL, revoked REAL NOT NULL
) STRICT;
PRAGMA user_version = 1;
INSERT INTO users VALUES ('ana', 1.0);
INSERT INTO members VALUES ('backend', 'ana');
INSERT INTO grants VALUES ('backend', 'shop');
INSERT INTO tokens VALUES ('abcd1234', 'ana', 'laptop', X'00', 'complete search', 1.0, 0.0, 0.0);
"""


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path)


@given(st.integers(0, 65), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567_A "))
def test_a_token_with_one_wrong_character_is_told_apart(place: int, letter: str) -> None:
    secret = new_secret()
    assert is_well_formed(secret)
    changed = secret[:place] + letter + secret[place + 1 :]
    assert is_well_formed(changed) == (changed == secret)
    assert not is_well_formed(secret[:-1])


def test_nothing_on_disk_tells_the_token(tmp_path: Path, accounts: Accounts) -> None:
    accounts.add_user("ana")
    _, secret = accounts.add_token("ana", EDITOR, label="laptop")
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"laptop" in stored
    assert secret.removeprefix("hearth_").encode() not in stored


def test_only_the_owner_may_read_the_file(tmp_path: Path, accounts: Accounts) -> None:
    accounts.add_user("ana")
    for file in tmp_path.glob(f"{FILE_NAME}*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_token_is_recognised_until_it_is_revoked_or_expires(accounts: Accounts) -> None:
    accounts.add_user("ana")
    token, secret = accounts.add_token("ana", EDITOR)
    _, short = accounts.add_token("ana", EDITOR, seconds=60)
    now = time.time()
    assert accounts.reader.authenticate(secret, now) == token
    assert accounts.reader.authenticate(new_secret(), now) is None
    assert accounts.reader.authenticate(short, now + 59) is not None
    assert accounts.reader.authenticate(short, now + 61) is None
    accounts.revoke_token(token.id)
    assert accounts.reader.authenticate(secret, now) is None


def test_what_another_process_changes_is_seen_at_once(tmp_path: Path, accounts: Accounts) -> None:
    assert accounts.reader.empty()
    with Accounts(tmp_path) as other:
        other.add_user("ana", ["backend"])
        assert accounts.directory().users == {"ana": frozenset({"backend"})}
        token, secret = other.add_token("ana", EDITOR)
        assert accounts.reader.authenticate(secret, time.time()) is not None
        other.revoke_token(token.id)
        assert accounts.reader.authenticate(secret, time.time()) is None


def test_what_every_request_asks_waits_for_nobody_who_writes(tmp_path: Path, accounts: Accounts) -> None:
    accounts.add_user("ana", ["backend"])
    token, secret = accounts.add_token("ana", EDITOR)
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other, ThreadPoolExecutor(2) as pool:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM users")
        writing = pool.submit(accounts.add_user, "ben")
        asked = pool.submit(ask_everything, accounts, secret, token.id)
        # As long as the other process takes; the writer of this one waits for it all the time.
        assert asked.result(timeout=WAIT_SECONDS) == (False, token, token, {"backend"}, set())
        assert not writing.done()
        other.execute("ROLLBACK")
        writing.result()


def ask_everything(accounts: Accounts, secret: str, token_id: str) -> tuple[object, ...]:
    reader, now = accounts.reader, time.time()
    reader.version()
    return (
        reader.empty(),
        reader.authenticate(secret, now),
        reader.token(token_id),
        reader.groups("ana"),
        reader.readable("ana", ["shop"]),
    )


def usable(accounts: Accounts, token_id: str) -> bool:
    token = accounts.reader.token(token_id)
    return token is not None and token.usable(time.time())


def test_the_version_differs_after_each_change_of_this_process_and_soon_after_one_of_another(
    tmp_path: Path, accounts: Accounts
) -> None:
    before = accounts.reader.version()
    accounts.add_user("ana")
    between = accounts.reader.version()
    assert between != before
    with Accounts(tmp_path) as others:
        others.add_user("ben")
    deadline = time.monotonic() + WAIT_SECONDS
    while accounts.reader.version() == between:
        assert time.monotonic() < deadline


def test_what_every_request_asks_is_found_by_an_index(
    tmp_path: Path, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def open_traced(path: Path) -> sqlite3.Connection:
        connection = open_reading(path)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr("server.accounts.reader.open_reading", open_traced)
    with Accounts(tmp_path) as traced, closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        ask_everything(traced, new_secret(), "none")
        looks = [statement for statement in asked if statement.startswith("SELECT") and "WHERE" in statement]
        assert len(looks) >= 4
        for statement in looks:
            plan = [row[-1] for row in file.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not [step for step in plan if "SCAN" in step and "CONSTANT" not in step], (statement, plan)


def test_a_group_reads_what_its_patterns_say_and_nothing_that_looks_alike(accounts: Accounts) -> None:
    accounts.add_user("ana", ["some"])
    patterns = ["exact", "web-*", "v?", "[ab]c", "a.c"]
    accounts.add_to_group("some", repositories=patterns)
    names = ["exact", "Exact", "exactly", "web-", "my-web-x", "v1", "v", "ac", "cc", "[ab]c", "a.c", "abc", "web-\n"]
    expected = {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}
    assert accounts.reader.readable("ana", names) == expected
    assert expected == {"exact", "web-", "v1", "ac", "a.c", "web-\n"}


def test_a_file_that_is_opened_twice_keeps_what_is_changed_when_another_process_leaves(
    tmp_path: Path, accounts: Accounts
) -> None:
    with Accounts(tmp_path):
        accounts.add_user("ana")
        subprocess.run([*HEARTH, "user", "list", "--data", str(tmp_path)], check=True, capture_output=True)
        accounts.add_user("ben")
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
            assert file.execute("SELECT name FROM users ORDER BY name").fetchall() == [("ana",), ("ben",)]


def test_who_is_removed_and_comes_back_has_none_of_the_old_rights(accounts: Accounts) -> None:
    accounts.add_user("ana", ["backend"])
    accounts.add_to_group("backend", repositories=["billing"])
    _, secret = accounts.add_token("ana", EDITOR)
    accounts.remove_user("ana")
    accounts.add_user("ana")
    assert accounts.reader.authenticate(secret, time.time()) is None
    assert accounts.reader.readable("ana", ["billing"]) == frozenset()


def test_without_users_a_file_that_had_tokens_is_not_an_empty_one(accounts: Accounts) -> None:
    accounts.add_user("ana")
    accounts.add_token("ana", EDITOR)
    accounts.remove_user("ana")
    assert not accounts.reader.empty()


def test_nothing_is_readable_without_a_grant(accounts: Accounts) -> None:
    accounts.add_user("ana", ["backend"])
    names = ["billing", "shop-web", "shop-api", "secret"]
    assert accounts.reader.readable("ana", names) == frozenset()
    accounts.add_to_group("backend", repositories=["billing", "shop-*"])
    assert accounts.reader.readable("ana", names) == {"billing", "shop-web", "shop-api"}
    assert accounts.reader.readable("nobody", names) == frozenset()
    accounts.remove_from_group("backend", repositories=["shop-*"])
    assert accounts.reader.readable("ana", names) == {"billing"}
    accounts.remove_from_group("backend")
    assert accounts.reader.readable("ana", names) == frozenset()


def test_what_makes_no_sense_is_refused_and_changes_nothing(accounts: Accounts) -> None:
    accounts.add_user("ana")
    for attempt in (
        lambda: accounts.add_user("ana"),
        lambda: accounts.add_user("../ana"),
        lambda: accounts.add_user("a" * 100_000),
        lambda: accounts.add_user("ben", ["bad group"]),
        lambda: accounts.remove_user("ben"),
        lambda: accounts.add_token("ben", EDITOR),
        lambda: accounts.revoke_token("ffffffff"),
        lambda: accounts.add_to_group("backend", users=["ana", "ben"]),
        lambda: accounts.add_to_group("backend", repositories=["with space"]),
        lambda: accounts.remove_from_group("backend", users=["ana"]),
        lambda: accounts.remove_from_group("backend"),
    ):
        with pytest.raises(AccountsError) as refused:
            attempt()
        assert len(str(refused.value)) < 400
    assert accounts.directory().users == {"ana": frozenset()}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is no database " * 500)
    with pytest.raises(AccountsError, match=FILE_NAME):
        Accounts(tmp_path)


def test_an_upgrade_keeps_every_account_or_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Accounts(tmp_path) as accounts:
        accounts.add_user("ana", ["backend"])
        accounts.add_to_group("backend", repositories=["shop"])
        accounts.add_token("ana", EDITOR, label="laptop")
        before = accounts.directory()
    step = "ALTER TABLE users ADD COLUMN mail TEXT NOT NULL DEFAULT '';\n"
    failing = replace(SCHEMA, steps=(*SCHEMA.steps, step, "UPDATE nothing SET there = 1;\n"))
    monkeypatch.setattr("server.accounts.store.SCHEMA", failing)
    with pytest.raises(AccountsError, match="nothing"):
        Accounts(tmp_path)
    monkeypatch.setattr("server.accounts.store.SCHEMA", replace(SCHEMA, steps=(*SCHEMA.steps, step)))
    with Accounts(tmp_path) as accounts:
        assert accounts.directory() == before
    monkeypatch.setattr("server.accounts.store.SCHEMA", SCHEMA)
    with pytest.raises(NewerData, match=FILE_NAME):
        Accounts(tmp_path)


def test_a_file_of_the_first_version_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    for statement in filter(str.strip, FIRST_VERSION.split(";")):
        old.execute(statement)
    old.close()
    with Accounts(tmp_path) as accounts:
        directory = accounts.directory()
        assert directory.users == {"ana": {"backend"}}
        assert accounts.reader.readable("ana", ["shop"]) == {"shop"}
        assert usable(accounts, "abcd1234")
        assert directory.tokens["abcd1234"].kind is TokenKind.MADE
        accounts.admit(ISSUER, "17", "ben", ["backend"])
    with Accounts(tmp_path) as accounts:
        assert accounts.directory().issuers == {"ben": ISSUER}


def test_whom_a_provider_vouches_for_keeps_their_name_and_has_the_groups_of_today(accounts: Accounts) -> None:
    assert accounts.admit(ISSUER, "17", "ana", ["backend", "all"]) == "ana"
    accounts.add_to_group("more", users=["ana"])
    assert accounts.admit(ISSUER, "17", "ana-married", ["all"]) == "ana"
    assert accounts.directory().users == {"ana": {"all"}}
    assert accounts.admit("https://other.example", "17", "ana-there", ()) == "ana-there"


def test_nobody_comes_in_under_the_name_of_another(accounts: Accounts) -> None:
    accounts.add_user("ana", ["owners"])
    with pytest.raises(AccountsError, match="somebody else"):
        accounts.admit(ISSUER, "17", "ana", ["backend"])
    with pytest.raises(AccountsError, match="cannot be the name"):
        accounts.admit(ISSUER, "17", "../ana", ["backend"])
    assert accounts.directory().users == {"ana": {"owners"}}
    assert accounts.directory().issuers == {}
    accounts.admit(ISSUER, "18", "ben", ["backend"])
    accounts.remove_user("ben")
    assert accounts.admit(ISSUER, "18", "ben", []) == "ben"


def test_who_is_not_let_in_any_more_loses_groups_and_sign_ins_at_once(accounts: Accounts) -> None:
    accounts.admit(ISSUER, "17", "ana", ["backend"])
    kinds = {kind: accounts.add_token("ana", EDITOR, seconds=60, kind=kind)[0] for kind in TokenKind}
    assert accounts.withdraw(ISSUER, "17") == "ana"
    assert accounts.withdraw(ISSUER, "18") is None
    assert accounts.directory().users == {"ana": frozenset()}
    assert [kind for kind, token in kinds.items() if usable(accounts, token.id)] == [TokenKind.MADE]


def test_what_was_given_out_on_the_strength_of_a_token_is_revoked_with_it(accounts: Accounts) -> None:
    accounts.add_user("ana")
    token, _ = accounts.add_token("ana", EDITOR)
    editor, _ = accounts.add_token("ana", EDITOR, kind=TokenKind.EDITOR, parent=token.id)
    further, _ = accounts.add_token("ana", EDITOR, kind=TokenKind.EDITOR, parent=editor.id)
    other, _ = accounts.add_token("ana", EDITOR, kind=TokenKind.EDITOR)
    accounts.revoke_token(token.id)
    held = [one.id for one in (token, editor, further, other) if usable(accounts, one.id)]
    assert held == [other.id]


def test_nothing_is_given_out_on_the_strength_of_a_token_that_is_over(accounts: Accounts) -> None:
    accounts.add_user("ana")
    revoked, _ = accounts.add_token("ana", EDITOR)
    accounts.revoke_token(revoked.id)
    short, _ = accounts.add_token("ana", EDITOR, seconds=0.001)
    time.sleep(0.002)
    for parent in (revoked.id, short.id, "none"):
        with pytest.raises(AccountsError, match="nothing stands on it"):
            accounts.add_token("ana", EDITOR, kind=TokenKind.EDITOR, parent=parent)
    assert set(accounts.directory().tokens) == {revoked.id, short.id}


def test_sign_ins_that_are_over_are_forgotten_and_tokens_that_were_made_are_not(accounts: Accounts) -> None:
    accounts.add_user("ana")
    lasting, _ = accounts.add_token("ana", EDITOR, seconds=0.001)
    accounts.add_token("ana", EDITOR, seconds=0.001, kind=TokenKind.BROWSER)
    revoked, _ = accounts.add_token("ana", EDITOR, seconds=60, kind=TokenKind.EDITOR)
    accounts.revoke_token(revoked.id)
    time.sleep(0.002)
    browser, _ = accounts.add_token("ana", EDITOR, seconds=60, kind=TokenKind.BROWSER)
    assert set(accounts.directory().tokens) == {lasting.id, browser.id}
    accounts.forget_sign_in(lasting.id)
    accounts.forget_sign_in(browser.id)
    assert set(accounts.directory().tokens) == {lasting.id}
