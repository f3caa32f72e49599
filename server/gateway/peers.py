"""Where a request comes from, also when a proxy stands in between."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aiohttp import web

_CLIENT_PREFIX = 64
_HOLDER_PREFIX = 48
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Peers:
    """Tells the addresses of clients.

    Args:
        trusted_proxies: Addresses and networks whose word is taken for who is behind them.
        behind_proxy: Whether all connections are a proxy's.
    """

    def __init__(self, trusted_proxies: Sequence[str], *, behind_proxy: bool) -> None:
        self._trusted = [ipaddress.ip_network(network, strict=False) for network in trusted_proxies]
        self._behind_proxy = behind_proxy

    def address(self, request: web.Request) -> str:
        """Return the address of the client: the last one on the way that is not a trusted proxy's."""
        address = request.remote or ""
        forwarded = [part.strip() for part in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
        while self._is_trusted(address) and forwarded and _is_address(forwarded[-1]):
            address = forwarded.pop()
        return address

    def is_secure(self, request: web.Request) -> bool:
        """Whether the client's own connection is encrypted."""
        if self._is_trusted(request.remote or ""):
            return request.headers.get("X-Forwarded-Proto", request.scheme).strip().lower() == "https"
        return request.secure

    def is_own(self, request: web.Request, origin: str) -> bool:
        """Whether an origin, as browsers send it, is the one that the client has this server under.

        A page that came unencrypted may be anybody's, so the scheme counts as well, where it is known: a proxy that is
        not trusted, or does not say it, leaves the host.
        """
        scheme, _, host = origin.lower().partition("://")
        if host != request.host.lower():
            return False
        told = "X-Forwarded-Proto" in request.headers and self._is_trusted(request.remote or "")
        if self._behind_proxy and not told:
            return scheme in {"http", "https"}
        return scheme == ("https" if self.is_secure(request) else "http")

    def origin(self, request: web.Request) -> str:
        """Return the scheme and host by which a client asks, without a slash at the end."""
        return f"{'https' if self.is_secure(request) else 'http'}://{request.host}"

    def is_local(self, request: web.Request) -> bool:
        """Whether somebody on this very machine asks, by one of its own names.

        The name matters: a page in a browser may call this machine by a name of its maker's own.
        """
        if self._behind_proxy or "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
            return False
        return is_loopback(request.remote or "") and _host(request.host) in _LOCAL_NAMES

    def is_proxy(self, address: str) -> bool:
        """Whether connections from an address are a proxy's, and may be anybody's."""
        return self._is_trusted(address) or (self._behind_proxy and not self._trusted)

    def _is_trusted(self, address: str) -> bool:
        if not _is_address(address):
            return False
        found = ipaddress.ip_address(address)
        return any(found in network for network in self._trusted)


def site(address: str) -> str:
    """Return what counts as one client when those nobody knows are counted: an IPv4 address, or a /64 of IPv6.

    Whoever has one address of a /64 has all 2**64 of them.
    """
    return _network(address, _CLIENT_PREFIX)


def holder(address: str) -> str:
    """Return what somebody has who has much: an IPv4 address, or a /48 of IPv6, which has 65,536 networks of a /64."""
    return _network(address, _HOLDER_PREFIX)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on, or of a client, can only be reached on this machine."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _network(address: str, prefix: int) -> str:
    if not _is_address(address):
        return address
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    host_bits = found.max_prefixlen - prefix
    return str(ipaddress.ip_network((int(found) >> host_bits << host_bits, prefix)))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _host(header: str) -> str:
    """Return a ``Host`` header without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
