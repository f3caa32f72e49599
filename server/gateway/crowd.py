"""Counts the connections of each address whose user nobody knows yet."""

from __future__ import annotations

import logging
from collections import Counter

from server.gateway import metrics
from server.gateway.peers import Peers, holder

log = logging.getLogger(__name__)


class Crowd:
    """Bounds what one address may hold. A proxy's own is that of many, and is not bounded.

    Args:
        most: How many connections of one address, or of all that one holder of IPv6 addresses has.
        peers: Knows the proxies.
    """

    def __init__(self, most: int, peers: Peers) -> None:
        self._most = most
        self._peers = peers
        self._counts: Counter[str] = Counter()
        self._full: set[str] = set()

    def enter(self, address: str) -> Place | None:
        """Count a connection; ``None`` means that there are too many from there."""
        if self._peers.is_proxy(address):
            return Place(self, None)
        where = holder(address)
        if self._counts[where] >= self._most:
            metrics.REFUSED.labels("address_connections").inc()
            if where not in self._full:
                self._full.add(where)
                log.warning("%s has %d connections without a sign-in, and gets no more", where, self._most)
            return None
        self._counts[where] += 1
        return Place(self, where)

    def leave(self, where: str) -> None:
        """Count a connection no more."""
        self._counts[where] -= 1
        if not self._counts[where]:
            del self._counts[where]
            self._full.discard(where)


class Place:
    """What one connection takes of the room for its address.

    Args:
        crowd: Where it counts.
        where: For whom; ``None`` for nobody.
    """

    def __init__(self, crowd: Crowd, where: str | None) -> None:
        self._crowd = crowd
        self._where = where

    def leave(self) -> None:
        """Give it up, if that has not been done."""
        where, self._where = self._where, None
        if where is not None:
            self._crowd.leave(where)
