"""Sign-ins of browsers: what damage and clocks do to them, and to whoever is signed in."""

from __future__ import annotations

import hashlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.errors import NewerData
from server.accounts.sign_ins import FILE_NAME, LONGEST_SECONDS, SCHEMA, SignIns
from tests.patience import WAIT_SECONDS

NOW = 1_800_000_000.0
UNVERSIONED = """
CREATE TABLE IF NOT EXISTS sign_in (digest BLOB PRIMARY KEY, token TEXT NOT NULL, expires REAL NOT NULL)
STRICT, WITHOUT ROWID
"""


def test_a_damaged_file_costs_a_sign_in_and_no_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with SignIns(tmp_path) as sign_ins:
        secret = sign_ins.begin("token", NOW)
    (tmp_path / FILE_NAME).write_bytes(b"this is no database, whatever its name says" * 100)
    with SignIns(tmp_path) as sign_ins:
        assert "everybody signs in to the pages again" in caplog.text
        assert sign_ins.find(secret, NOW) == ""
        secret = sign_ins.begin("token", NOW)
        assert sign_ins.find(secret, NOW) == "token"
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_who_was_signed_in_before_files_had_a_version_still_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "s" * 43
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as old:
        old.execute(UNVERSIONED)
        row = (hashlib.sha256(secret.encode()).digest(), "token", NOW + 1)
        old.execute("INSERT INTO sign_in VALUES (?, ?, ?)", row)
    for _ in range(2):
        with SignIns(tmp_path) as sign_ins:
            assert sign_ins.find(secret, NOW) == "token"
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA.version,)
    assert not caplog.records


def test_an_upgrade_keeps_everybody_signed_in_and_a_newer_file_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SignIns(tmp_path) as sign_ins:
        secret = sign_ins.begin("token", NOW)
    step = "ALTER TABLE sign_in ADD COLUMN browser TEXT NOT NULL DEFAULT '';\n"
    monkeypatch.setattr("server.accounts.sign_ins.SCHEMA", replace(SCHEMA, steps=(*SCHEMA.steps, step)))
    with SignIns(tmp_path) as sign_ins:
        assert sign_ins.find(secret, NOW) == "token"
    before = (tmp_path / FILE_NAME).read_bytes()
    monkeypatch.setattr("server.accounts.sign_ins.SCHEMA", SCHEMA)
    with pytest.raises(NewerData, match=FILE_NAME):
        SignIns(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_finding_a_sign_in_waits_for_nobody_who_writes(tmp_path: Path) -> None:
    with (
        SignIns(tmp_path) as sign_ins,
        closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        secret = sign_ins.begin("token", NOW)
        other.execute("BEGIN IMMEDIATE")
        writing = pool.submit(sign_ins.begin, "other", NOW)
        assert pool.submit(sign_ins.find, secret, NOW).result(timeout=WAIT_SECONDS) == "token"
        assert not writing.done()
        other.execute("ROLLBACK")
        writing.result()


def test_damage_in_use_means_nobody_is_signed_in(tmp_path: Path) -> None:
    with SignIns(tmp_path) as sign_ins:
        secret = sign_ins.begin("token", NOW)
        for file in tmp_path.glob(f"{FILE_NAME}*"):
            with file.open("r+b") as stream:
                stream.write(b"\xa5" * file.stat().st_size)
        with SignIns(tmp_path) as other:
            assert other.find(secret, NOW) == ""


def test_a_clock_that_jumps_ends_sign_ins_early_and_brings_none_back_that_was_ended(tmp_path: Path) -> None:
    with SignIns(tmp_path) as sign_ins:
        kept, ended = sign_ins.begin("kept", NOW), sign_ins.begin("ended", NOW)
        sign_ins.end(ended)
        assert sign_ins.find(kept, NOW + LONGEST_SECONDS + 1) == ""
        assert sign_ins.find(kept, NOW - 3600) == "kept"
        assert sign_ins.find(ended, NOW - 3600) == ""
        # Whoever signs in while the clock is wrong clears away what looks expired.
        sign_ins.begin("other", NOW + 2 * LONGEST_SECONDS)
        assert sign_ins.find(kept, NOW) == ""
