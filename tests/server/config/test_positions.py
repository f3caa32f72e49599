"""Where keys stand in a TOML document."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.config.positions import KeyPath, key_lines
from server.config.reference import as_toml

DOCUMENT = '''\
# comment with [brackets] and = signs
title = "a # no comment"   # a comment

[engine]
order = [
  "one",   # first
  "two",
]
vllm.url = "x"
vllm . "quoted.key" = 'y'

[ engine . embedded ]
threshold = 0.5
inline = { a = 1, b = { c = [1, 2] } }

[[team]]
name = """
two
lines = 3
"""
since = 1979-05-27 07:32:00
[[team.member]]
name = "a"
[[team.member]]
name = "b"
[[team]]
name = \'\'\'x = 1\'\'\'
"k\\u0065y" = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("engine",), 4),
        (("engine", "order"), 5),
        (("engine", "order", 1), 7),
        (("engine", "vllm", "url"), 9),
        (("engine", "vllm", "quoted.key"), 10),
        (("engine", "embedded"), 12),
        (("engine", "embedded", "threshold"), 13),
        (("engine", "embedded", "inline", "b", "c", 1), 14),
        (("team", 0, "name"), 17),
        (("team", 0, "since"), 21),
        (("team", 0, "member", 0, "name"), 23),
        (("team", 0, "member", 1, "name"), 25),
        (("team", 1), 26),
        (("team", 1, "name"), 27),
        (("team", 1, "key"), 28),
    ],
)
def test_lines_of_keys(path: KeyPath, line: int) -> None:
    assert key_lines(DOCUMENT)[path] == line


def leaves(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))]
    return [path]


def test_every_value_of_the_document_is_found() -> None:
    assert set(leaves(tomllib.loads(DOCUMENT))) <= set(key_lines(DOCUMENT))


_names = st.text("abc-_1", min_size=1, max_size=4)
_values = st.one_of(st.integers(), st.booleans(), st.text("ab#[]{}=\"'\\,. \t", max_size=8))
_items = st.one_of(_values, st.lists(_values, max_size=3))


@settings(deadline=None)
@given(
    st.dictionaries(_names, _items, max_size=4), st.dictionaries(_names, st.dictionaries(_names, _items), max_size=3)
)
def test_generated_documents(top: dict[str, Any], tables: dict[str, dict[str, Any]]) -> None:
    lines = [f"{key} = {as_toml(value)}" for key, value in top.items()]
    expected: dict[KeyPath, int] = {(key,): number for number, key in enumerate(top, start=1)}
    for name, table in tables.items():
        if name in top:
            continue
        lines.append(f"[{name}] # table")
        expected[name,] = len(lines)
        for key, value in table.items():
            lines.append(f"  {key} = {as_toml(value)} # note")
            expected[name, key] = len(lines)
    document = "\n".join(lines)
    found = key_lines(document)
    assert {path: found[path] for path in expected} == expected
    assert set(leaves(tomllib.loads(document))) <= set(found)


@settings(deadline=None)
@given(st.text("[]{}=.\"'#ab \n", max_size=40))
def test_documents_that_are_not_valid_end_the_scan_all_the_same(document: str) -> None:
    try:
        tomllib.loads(document)
    except tomllib.TOMLDecodeError:
        return
    key_lines(document)
