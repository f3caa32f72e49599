"""Control characters of a repository never reach a terminal."""

from __future__ import annotations

from indexer.terminal import visible, visible_name


def test_escape_sequences_lose_their_effect() -> None:
    shown = visible("a\x1b]0;title\x07\x9b31m\u202eb\x7f\x00")
    assert shown.isprintable()
    assert "]0;title" in shown


def test_code_keeps_its_lines_tabs_and_letters() -> None:
    assert (
        visible("def f():\r\n\treturn '\u5408\u8a08 \U0001f389'\n") == "def f():\n\treturn '\u5408\u8a08 \U0001f389'\n"
    )


def test_a_name_stays_on_one_line() -> None:
    assert visible_name("new\nline\t.py").isprintable()
