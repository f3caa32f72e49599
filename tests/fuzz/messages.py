"""Messages that a client may send: well formed for every method of the protocol, then changed, or made of nothing."""

from __future__ import annotations

import enum
import functools
import json
import re
import types as python_types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from hypothesis import strategies as st
from lsprotocol import types

OWN_REQUESTS = ("hearth/search", "hearth/why", "hearth/file", "hearth/status")
OWN_NOTIFICATIONS = (
    "hearth/didShowCompletion", "hearth/didAcceptCompletion", "hearth/didPartiallyAcceptCompletion",
    "hearth/didRejectCompletion", "hearth/didChangeRepositories",
)  # fmt: skip
URIS = ("file:///home/somebody/shop/orders.py", "file:///home/somebody/shop/%FF", "untitled:1", "", "file:///", "%")
WORDS = ("shop", "shop/pricing.py", "../../etc/passwd", "python", "round_price", "\x00\x1b[31m\r\n", "hearth.why")
_DEPTH = 6

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
TEXTS = st.sampled_from(URIS) | st.sampled_from(WORDS) | st.text(max_size=30)
IDENTIFIERS = st.integers(1, 9) | st.text(max_size=5) | JSON


def _client_methods() -> dict[str, Any]:
    """Return the parameters' type of every method that clients call, by method."""
    named = {}
    for method, (_, _, parameters, _) in types.METHOD_TO_TYPES.items():
        if types.message_direction(method) in {"clientToServer", "both"} and method not in {"exit", "shutdown"}:
            named[method] = parameters
    return named


METHODS = _client_methods()
_PLAIN = {
    str: TEXTS,
    int: st.integers(0, 12) | st.integers(-(2**40), 2**40),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
}


@functools.cache
def shaped(kind: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Return JSON in the shape of one of lsprotocol's types."""
    if typing.get_origin(kind) is not None:
        return _composed(typing.get_origin(kind), typing.get_args(kind), depth)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from([member.value for member in kind]) | st.integers(-1, 40)
    if isinstance(kind, type) and attrs.has(kind):
        return _object(kind, depth)
    return _PLAIN.get(kind, JSON)


def _composed(origin: Any, arguments: tuple[Any, ...], depth: int) -> st.SearchStrategy[Any]:
    if origin in {typing.Union, python_types.UnionType}:
        return st.one_of([shaped(one, depth) for one in arguments])
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if issubclass(origin, Mapping):
        return st.dictionaries(TEXTS, shaped(arguments[1], depth + 1), max_size=2)
    return st.lists(shaped(arguments[0], depth + 1), max_size=0 if depth > _DEPTH else 3)


def _object(kind: type, depth: int) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind, vars(types))
    required, optional = {}, {}
    for field in attrs.fields(kind):
        first, *rest = field.name.rstrip("_").split("_")
        name = first + "".join(part.title() for part in rest)
        if field.default is attrs.NOTHING:
            required[name] = _later(hints[field.name], depth + 1)
        elif depth < _DEPTH:
            optional[name] = _later(hints[field.name], depth + 1)
    return st.fixed_dictionaries(required, optional=optional)


def _later(kind: Any, depth: int) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: shaped(kind, depth))


@st.composite
def requests(draw: st.DrawFn) -> Any:
    """A message with a method: right in most respects, and wrong in at most one."""
    method = draw(st.sampled_from([*METHODS, *OWN_REQUESTS, *OWN_NOTIFICATIONS]) | st.text(max_size=20))
    if method in METHODS and METHODS[method] is not None:
        parameters = draw(shaped(METHODS[method]))
    else:
        names = st.sampled_from(("query", "limit", "repository", "path", "id", "line", "repositories")) | TEXTS
        parameters = draw(st.dictionaries(names, TEXTS | st.integers() | JSON, max_size=5) | JSON)
    message = {"jsonrpc": "2.0", "method": method, "params": parameters}
    if draw(st.booleans()):
        message["id"] = draw(IDENTIFIERS)
    return draw(_changed(message))


def _changed(message: Any) -> st.SearchStrategy[Any]:
    """Return the message as it is, or with something in it replaced or missing."""
    places = list(_places(message))
    return st.just(message) | st.tuples(st.sampled_from(places), JSON | st.just(_Missing.HERE)).map(
        lambda change: _replaced(message, *change)
    )


class _Missing(enum.Enum):
    HERE = 0


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _places(child, (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return None if by is _Missing.HERE else by
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and by is _Missing.HERE:
        del copy[path[0]]
    else:
        copy[path[0]] = _replaced(copy[path[0]], path[1:], by)
    return copy


RESPONSES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": IDENTIFIERS}, optional={"result": JSON, "error": JSON}
)
BODIES: st.SearchStrategy[bytes] = st.one_of(
    requests().map(json.dumps).map(str.encode),
    requests().map(json.dumps).map(str.encode),
    RESPONSES.map(json.dumps).map(str.encode),
    JSON.map(json.dumps).map(str.encode),
    st.lists(requests(), max_size=3).map(json.dumps).map(str.encode),
    st.binary(max_size=60),
)
"""What may stand in one message."""
MANY = st.lists(BODIES, min_size=1, max_size=10)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Bytes for a standard input: messages with their headers, of which some are cut, doubled or wrong."""
    data = bytearray()
    for body in draw(st.lists(BODIES, max_size=6)):
        length = len(body) + draw(st.sampled_from((0, 0, 0, 0, 1, -1, 7)))
        header = draw(
            st.sampled_from(
                (
                    b"Content-Length: %d\r\n\r\n", b"content-length:%d\r\nX: y\r\n\r\n", b"Content-Length: %d\n\n",
                    b"Content-Type: x; charset=utf-8\r\nContent-Length: %d\r\n\r\n", b"Content-Length: 0x%d\r\n\r\n",
                )
            )
        )  # fmt: skip
        data += header % max(length, 0) + body
    for _ in range(draw(st.integers(0, 3)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


FORBIDDEN = re.compile(r"Traceback|Error\(|/server/|/indexer/|object at 0x")
"""What no editor is ever told: how the program is made."""
