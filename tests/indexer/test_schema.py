"""Tables by version: what older files become, and what no upgrade may do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indexer.errors import IndexCorrupt, NewerData, OlderData
from indexer.schema import Schema
from indexer.store.database import SCHEMA as INDEX
from server.accounts.schema import SCHEMA as ACCOUNTS

FIRST = "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);\nCREATE TABLE user (name TEXT NOT NULL);\n"
GROUPS = "CREATE TABLE member (name TEXT NOT NULL);\nINSERT INTO member SELECT name FROM user;\n"
LABELS = "ALTER TABLE user ADD COLUMN label TEXT NOT NULL DEFAULT '';\n"
ONE = Schema(FIRST)
TWO = Schema(FIRST + GROUPS, steps=(GROUPS,))
THREE = Schema(
    FIRST.replace("name TEXT NOT NULL", "name TEXT NOT NULL, label TEXT NOT NULL DEFAULT ''") + GROUPS,
    steps=(GROUPS, LABELS),
)
BROKEN = Schema(FIRST + GROUPS, steps=(GROUPS, "DELETE FROM user;\nDELETE FROM nobody;\n"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.sqlite"


@pytest.fixture
def connection(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as opened:
        yield opened


def prepare(schema: Schema, connection: sqlite3.Connection, file: Path) -> int:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = schema.prepare(connection, file)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return version


def users(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM user")]


def test_an_empty_file_gets_the_tables_of_today(connection: sqlite3.Connection, file: Path) -> None:
    assert prepare(THREE, connection, file) == 0
    assert prepare(THREE, connection, file) == 3
    THREE.require(connection, file, "")


def test_an_older_file_goes_step_by_step_and_keeps_its_rows(connection: sqlite3.Connection, file: Path) -> None:
    prepare(ONE, connection, file)
    connection.execute("INSERT INTO user VALUES ('ana')")
    assert prepare(THREE, connection, file) == 1
    assert connection.execute("SELECT * FROM user JOIN member USING (name)").fetchall() == [("ana", "")]


def test_a_step_that_fails_undoes_those_before_it(connection: sqlite3.Connection, file: Path) -> None:
    prepare(ONE, connection, file)
    connection.execute("INSERT INTO user VALUES ('ana')")
    with pytest.raises(sqlite3.OperationalError):
        prepare(BROKEN, connection, file)
    assert users(connection) == ["ana"]
    ONE.require(connection, file, "")
    assert prepare(TWO, connection, file) == 1


def test_a_newer_file_is_refused_and_left_as_it_is(connection: sqlite3.Connection, file: Path) -> None:
    prepare(THREE, connection, file)
    before = file.read_bytes()
    for refuse in (lambda: prepare(TWO, connection, file), lambda: TWO.require(connection, file, "")):
        with pytest.raises(NewerData, match="version 3, which a newer Hearth made; this one knows version 2") as caught:
            refuse()
        assert "backup" in caught.value.advice
    assert file.read_bytes() == before


def test_a_reader_of_an_older_file_is_told_what_upgrades_it(connection: sqlite3.Connection, file: Path) -> None:
    prepare(ONE, connection, file)
    with pytest.raises(OlderData, match="version 1, which an older Hearth made") as caught:
        TWO.require(connection, file, "Run something.")
    assert caught.value.advice == "Run something."


def test_tables_of_no_version_are_none_of_ours(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("CREATE TABLE recipe (name TEXT)")
    for schema in (ONE, ACCOUNTS):
        with pytest.raises(IndexCorrupt, match="no version"):
            schema.found(connection, file)


@pytest.mark.parametrize(("schema", "first"), [
    (INDEX, (Path(__file__).parent / "schemas" / "index_1.sql").read_text()),
    (THREE, FIRST),
])  # fmt: skip
def test_steps_lead_to_the_tables_of_a_new_file(schema: Schema, first: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "older")) as older, closing(sqlite3.connect(tmp_path / "new")) as new:
        older.executescript(first)
        older.execute("INSERT INTO meta VALUES ('schema', 1)")
        schema.prepare(older, tmp_path / "older")
        schema.prepare(new, tmp_path / "new")
        assert tables(older) == tables(new)


def tables(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return the columns of each table, and of each index, without regard to their order in the file."""
    names = connection.execute("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
    return {
        f"{kind} {name}": connection.execute(f"PRAGMA {kind}_info({name})").fetchall()
        for name, kind in names.fetchall()
    }
