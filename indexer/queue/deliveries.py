"""Deliveries of webhooks that were taken, so that none counts twice."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

REMEMBERED_SECONDS = 7 * 86_400.0
_MOST_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery about a repository: ``name`` is the forge's id for it, ``digest`` stands for its body."""

    forge: str
    name: str
    repository: str
    digest: str


def take(connection: sqlite3.Connection, delivery: Delivery) -> bool:
    """Remember a delivery; False when it was taken before.

    Most forges sign the body and not the id, so that the same body under a new id counts as the same delivery, unless
    something else was heard of the repository in between: a branch may well go back to where it was.
    """
    known = connection.execute(
        "SELECT 1 FROM delivery WHERE forge = ? AND name = ?", (delivery.forge, delivery.name)
    ).fetchone()
    last = connection.execute(
        "SELECT digest FROM delivery WHERE forge = ? AND repository = ? ORDER BY id DESC LIMIT 1",
        (delivery.forge, delivery.repository),
    ).fetchone()
    if known is not None or (last is not None and last[0] == delivery.digest):
        return False
    now = time.time()
    taken = connection.execute(
        "INSERT INTO delivery (forge, name, repository, digest, seen_at) VALUES (?, ?, ?, ?, ?)",
        (delivery.forge, delivery.name, delivery.repository, delivery.digest, now),
    ).lastrowid
    connection.execute(
        "DELETE FROM delivery WHERE seen_at < ? OR id <= ?", (now - REMEMBERED_SECONDS, (taken or 0) - _MOST_REMEMBERED)
    )
    return True
