"""Users, groups and tokens in a real file, with a second process's view of it where that matters."""

from __future__ import annotations

import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import NewerData
from server.accounts import Accounts, TokenScope
from server.accounts.store import FILE_NAME, SCHEMA
from server.accounts.tokens import is_well_formed, new_secret
from server.errors import AccountsError

EDITOR = {TokenScope.COMPLETE}


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
    assert accounts.directory().authenticate(secret, now) == token
    assert accounts.directory().authenticate(new_secret(), now) is None
    assert accounts.directory().authenticate(short, now + 59) is not None
    assert accounts.directory().authenticate(short, now + 61) is None
    accounts.revoke_token(token.id)
    assert accounts.directory().authenticate(secret, now) is None


def test_what_another_process_changes_is_seen_at_once(tmp_path: Path, accounts: Accounts) -> None:
    assert accounts.directory().empty
    with Accounts(tmp_path) as other:
        other.add_user("ana", ["backend"])
        assert accounts.directory().users == {"ana": frozenset({"backend"})}
        token, secret = other.add_token("ana", EDITOR)
        assert accounts.directory().authenticate(secret, time.time()) is not None
        other.revoke_token(token.id)
        assert accounts.directory().authenticate(secret, time.time()) is None


def test_who_is_removed_and_comes_back_has_none_of_the_old_rights(accounts: Accounts) -> None:
    accounts.add_user("ana", ["backend"])
    accounts.add_to_group("backend", repositories=["billing"])
    _, secret = accounts.add_token("ana", EDITOR)
    accounts.remove_user("ana")
    accounts.add_user("ana")
    directory = accounts.directory()
    assert directory.authenticate(secret, time.time()) is None
    assert directory.readable("ana", ["billing"]) == frozenset()


def test_without_users_a_file_that_had_tokens_is_not_an_empty_one(accounts: Accounts) -> None:
    accounts.add_user("ana")
    accounts.add_token("ana", EDITOR)
    accounts.remove_user("ana")
    assert not accounts.directory().empty


def test_nothing_is_readable_without_a_grant(accounts: Accounts) -> None:
    accounts.add_user("ana", ["backend"])
    names = ["billing", "shop-web", "shop-api", "secret"]
    assert accounts.directory().readable("ana", names) == frozenset()
    accounts.add_to_group("backend", repositories=["billing", "shop-*"])
    assert accounts.directory().readable("ana", names) == {"billing", "shop-web", "shop-api"}
    assert accounts.directory().readable("nobody", names) == frozenset()
    accounts.remove_from_group("backend", repositories=["shop-*"])
    assert accounts.directory().readable("ana", names) == {"billing"}
    accounts.remove_from_group("backend")
    assert accounts.directory().readable("ana", names) == frozenset()


def test_what_makes_no_sense_is_refused_and_changes_nothing(accounts: Accounts) -> None:
    accounts.add_user("ana")
    for attempt in (
        lambda: accounts.add_user("ana"),
        lambda: accounts.add_user("../ana"),
        lambda: accounts.add_user("ben", ["bad group"]),
        lambda: accounts.remove_user("ben"),
        lambda: accounts.add_token("ben", EDITOR),
        lambda: accounts.revoke_token("ffffffff"),
        lambda: accounts.add_to_group("backend", users=["ana", "ben"]),
        lambda: accounts.add_to_group("backend", repositories=["with space"]),
        lambda: accounts.remove_from_group("backend", users=["ana"]),
        lambda: accounts.remove_from_group("backend"),
    ):
        with pytest.raises(AccountsError):
            attempt()
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
