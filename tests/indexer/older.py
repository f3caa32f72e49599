"""Data directories as older versions of Hearth left them."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

from indexer.store.database import DATABASE

_SCHEMAS = Path(__file__).parent / "schemas"


def make_index_1(data: Path, secret: str) -> None:
    """Turn the index in ``data`` into one of version 1, in which every file also has a line with ``secret``."""
    newer = data / "newer.sqlite"
    (data / DATABASE).rename(newer)
    with closing(sqlite3.connect(data / DATABASE)) as older:
        older.executescript((_SCHEMAS / "index_1.sql").read_text())
        older.execute("ATTACH ? AS newer", (str(newer),))
        for (table,) in older.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            if not table.startswith("sqlite_"):
                older.execute(f"INSERT INTO main.{table} SELECT * FROM newer.{table}")
        older.execute("UPDATE meta SET value = 1 WHERE key = 'schema'")
        for blob_id, content in older.execute("SELECT blob_id, data FROM content").fetchall():
            text = zlib.decompress(content).decode() + f"\npassword = {secret!r}\n"
            # Not compressed any further, so that a look for the secret finds it.
            stored = zlib.compress(text.encode(), 0)
            older.execute("UPDATE content SET data = ? WHERE blob_id = ?", (stored, blob_id))
        older.commit()
    newer.unlink()
