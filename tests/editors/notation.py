"""Reads what JSON values look like from docs/protocol.md, TypeScript and LuaLS, which write it nearly alike."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Shape = dict[str, str]
"""The kind of each place in a value, by its path: ``{"hits": "list", "hits[].uri": "string?"}``.

A kind is ``object``, ``list``, ``map``, ``string``, ``number``, ``boolean``, literals joined by ``|``, or the name of
something that is described elsewhere; a question mark says that it may be absent or null.
"""

_TOKEN = re.compile(r'"[^"]*"|[\w.$]+|[{}\[\]<>:;,?|]')
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def read(text: str, names: Mapping[str, str] | None = None) -> Shape:
    """Return the shape of a value; ``names`` are definitions that the text may refer to.

    Raises:
        ValueError: The text is not in the notation.
    """
    return _Reader(text, names or {}).shape()


def typescript(source: str) -> dict[str, str]:
    """Return the definitions of a TypeScript file's interfaces."""
    plain = _COMMENT.sub("", source)
    return dict(re.findall(r"^export interface (\w+) (\{.*?^\})", plain, re.MULTILINE | re.DOTALL))


def luals(source: str) -> dict[str, str]:
    """Return the definitions of a Lua file's classes."""
    classes = re.findall(r"^---@class \(exact\) ([\w.]+)\n((?:---@field .*\n)+)", source + "\n", re.MULTILINE)
    fields = r"^---@field (\w+\??) ((?:[\w.]+<[^>]*>|[^\s<]+))"
    return {
        name: "{" + ";".join(f"{field}: {kind}" for field, kind in re.findall(fields, body, re.MULTILINE)) + "}"
        for name, body in classes
    }


def below(shape: Shape, path: str) -> Shape:
    """Return the shape of what stands at ``path``, without the place itself."""
    return {place[len(path) + 1 :]: kind for place, kind in shape.items() if place.startswith(f"{path}.")}


def seen(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Yield the places of a shape that a value fills.

    Raises:
        AssertionError: The value is not of that shape.
    """
    kind = shape[path] if path else "object"
    if path:
        yield path
    if value is None:
        assert kind.endswith("?"), f"{path} is null"
        return
    kind = kind.removesuffix("?")
    if kind == "object":
        assert isinstance(value, dict), f"{path} is {value!r}"
        prefix = f"{path}." if path else ""
        fields = {place: kind for place, kind in shape.items() if re.fullmatch(rf"{re.escape(prefix)}[^.\[{{]+", place)}
        assert {f"{prefix}{name}" for name in value} <= fields.keys(), f"{path} has {sorted(value)}"
        for place, expected in fields.items():
            name = place.removeprefix(prefix)
            assert name in value or expected.endswith("?"), f"{place} is missing"
            if name in value:
                yield from seen(value[name], shape, place)
    elif kind in {"list", "map"}:
        for item in value if kind == "list" else value.values():
            yield from seen(item, shape, f"{path}[]" if kind == "list" else f"{path}{{}}")
    else:
        assert _is(value, kind), f"{path} is {value!r}, not {kind}"


def _is(value: Any, kind: str) -> bool:
    """Whether a value that holds no others is of a kind; what is described elsewhere may be anything."""
    types = {"string": str, "number": int | float, "boolean": bool}
    return (
        isinstance(value, types[kind]) if kind in types else json.dumps(value) in kind.split("|") or kind[0].isupper()
    )


def _at(place: str, kind: str, inner: Shape) -> Shape:
    """Return the shape of a value that stands at ``place``."""
    return {place: kind, **{f"{place}{'' if path[0] in '[{' else '.'}{path}": kind for path, kind in inner.items()}}


class _Reader:
    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self._tokens: list[str] = _TOKEN.findall(_COMMENT.sub("", text))
        self._names = names

    def shape(self) -> Shape:
        _, shape = self._value()
        if self._tokens:
            raise ValueError(f"not understood: {' '.join(self._tokens)}")
        return shape

    def _take(self, wanted: str = "") -> str:
        if not self._tokens or (wanted and self._tokens[0] != wanted):
            raise ValueError(f"{wanted or 'more'} expected before {' '.join(self._tokens)!r}")
        return self._tokens.pop(0)

    def _taken(self, *tokens: str) -> bool:
        if self._tokens[: len(tokens)] != [*tokens]:
            return False
        del self._tokens[: len(tokens)]
        return True

    def _value(self) -> tuple[str, Shape]:
        """Read a value, or several with bars between them; return its kind and what stands in it."""
        kind, shape = self._single()
        kinds = {kind}
        while self._taken("|"):
            kind, more = self._single()
            kinds.add(kind)
            shape |= more
        return "|".join(sorted(kinds - {"null"})) + ("?" if "null" in kinds else ""), shape

    def _single(self) -> tuple[str, Shape]:
        kind, shape = self._one()
        while self._taken("[", "]"):
            kind, shape = "list", _at("[]", kind, shape)
        return kind, shape

    def _one(self) -> tuple[str, Shape]:
        token = self._take()
        if token == "{":
            return self._object()
        if token == "[":
            item = self._value()
            self._take("]")
            return "list", _at("[]", *item)
        if self._taken("<"):
            self._take()
            self._take(",")
            item = self._value()
            self._take(">")
            return "map", _at("{}", *item)
        if token in self._names:
            return "object", read(self._names[token], self._names)
        return "number" if token == "integer" else token, {}

    def _object(self) -> tuple[str, Shape]:
        kind, shape = "object", Shape()
        while not self._taken("}"):
            name = self._take().strip('"')
            optional = "?" if self._taken("?") else ""
            self._take(":")
            value, inner = self._value()
            if name.startswith("<"):
                kind, name = "map", "{}"
            shape |= _at(name, value if value.endswith("?") else value + optional, inner)
            if not (self._taken(",") or self._taken(";")) and self._tokens[:1] != ["}"]:
                raise ValueError(f"{' '.join(self._tokens)!r} follows {name}")
        return kind, shape
