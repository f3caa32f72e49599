"""Whose word is taken for where a request comes from."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from server.gateway.peers import Peers, holder, is_loopback, site

PROXY = "10.0.0.7"


def request_from(address: str, **headers: str) -> web.Request:
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/", {"Host": "localhost:8642", **spelled}).clone(remote=address)


@pytest.mark.parametrize(
    ("trusted", "remote", "forwarded", "expected"),
    [
        ([], "203.0.113.9", "1.1.1.1", "203.0.113.9"),
        (["10.0.0.0/8"], PROXY, "203.0.113.9", "203.0.113.9"),
        (["10.0.0.0/8"], PROXY, "6.6.6.6, 203.0.113.9, 10.0.0.8", "203.0.113.9"),
        (["10.0.0.0/8"], PROXY, "not an address", PROXY),
        (["10.0.0.0/8"], PROXY, "", PROXY),
        (["10.0.0.0/8"], "203.0.113.9", "10.0.0.1", "203.0.113.9"),
        (["fd00::/8"], "fd00::1", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_only_trusted_proxies_say_who_is_behind_them(
    trusted: list[str], remote: str, forwarded: str, expected: str
) -> None:
    request = request_from(remote, X_Forwarded_For=forwarded)
    assert Peers(trusted, behind_proxy=False).address(request) == expected


def test_what_comes_through_a_proxy_is_never_this_machine() -> None:
    direct = request_from("127.0.0.1")
    assert Peers([], behind_proxy=False).is_local(direct)
    assert not Peers([], behind_proxy=True).is_local(direct)
    for headers in ({"X_Forwarded_For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Host": "rebound.example"}):
        assert not Peers([], behind_proxy=False).is_local(request_from("127.0.0.1", **headers))


def test_encryption_is_what_a_trusted_proxy_says() -> None:
    peers = Peers([PROXY], behind_proxy=True)
    assert peers.is_secure(request_from(PROXY, X_Forwarded_Proto="https"))
    assert not peers.is_secure(request_from("203.0.113.9", X_Forwarded_Proto="https"))


@pytest.mark.parametrize(
    ("behind_proxy", "headers", "origin", "own"),
    [
        (False, {}, "http://localhost:8642", True),
        (False, {}, "HTTP://LocalHost:8642", True),
        (False, {}, "https://localhost:8642", False),
        (False, {}, "http://localhost", False),
        (False, {}, "null", False),
        (False, {}, "", False),
        (False, {}, "http://localhost:8642/", False),
        (False, {"X_Forwarded_Proto": "https"}, "https://localhost:8642", True),
        (False, {"X_Forwarded_Proto": "https"}, "http://localhost:8642", False),
        (True, {"X_Forwarded_Proto": "https"}, "http://localhost:8642", False),
        (True, {}, "https://localhost:8642", True),
        (True, {}, "http://localhost:8642", True),
        (True, {}, "file://localhost:8642", False),
    ],
)
def test_an_origin_is_ours_by_scheme_and_host(
    behind_proxy: bool, headers: dict[str, str], origin: str, own: bool
) -> None:
    peers = Peers([PROXY], behind_proxy=behind_proxy)
    assert peers.is_own(request_from(PROXY, **headers), origin) is own


def test_a_scheme_that_a_stranger_tells_is_not_believed() -> None:
    request = request_from("203.0.113.9", X_Forwarded_Proto="https")
    assert not Peers([PROXY], behind_proxy=False).is_own(request, "https://localhost:8642")
    # Every connection is a proxy's, which may have ended TLS without a word.
    assert Peers([], behind_proxy=True).is_own(request, "https://localhost:8642")


def test_loopback_is_told_by_address() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.0.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.1", "", "hearth.example")))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_clients_are_told_apart_by_what_one_of_them_has(address: str, expected: str) -> None:
    assert site(address) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("", ""),
    ],
)
def test_what_one_holder_has_of_ipv6_is_one(address: str, expected: str) -> None:
    assert holder(address) == expected
