"""Control characters of a repository never reach a terminal."""

from __future__ import annotations

import logging
import sys

from indexer.terminal import OneLine, visible, visible_name


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


def test_nobody_forges_an_entry_of_a_log() -> None:
    forged = "x\n2026-01-01 00:00:00,000 INFO server: signed in\x1b[2K\r"
    try:
        raise ValueError(forged)
    except ValueError:
        info = sys.exc_info()
    record = logging.LogRecord("server", logging.ERROR, __file__, 1, "no method %s", (forged,), info)
    first, *rest = OneLine("%(levelname)s %(message)s").format(record).split("\n")
    assert first.startswith("ERROR no method x")
    assert first.isprintable()
    assert rest
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
