"""How files are cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.chunk import ChunkLimits, chunk_blob, chunk_text, outline_text
from indexer.parse import languages
from indexer.types import ParsedFile

PARSED = [spec.name for spec in languages() if spec.grammar]
SMALL = ChunkLimits(max_chars=200, max_lines=12, merge_chars=120, small_chars=40)


def check(text: str, parsed: ParsedFile) -> None:
    """Chunks are the text's own lines, in order, without overlap, and leave out blank lines alone."""
    lines = text.split("\n")
    row = 0
    for chunk in parsed.chunks:
        assert chunk.start_line > row
        assert not "".join(lines[row : chunk.start_line - 1]).strip()
        assert chunk.text == "\n".join(lines[chunk.start_line - 1 : chunk.end_line])
        row = chunk.end_line
    assert not "".join(lines[row:]).strip()


FRAGMENTS = [
    "def f(a):\n    return a\n", "class A:\n    x = 1\n", "if (a) {\n", "}\n", "// note\n", "# note\n", "/* open\n",
    '"""\n', "\r\n", "\f\n", "\r", "\t\tx = {\n", "func (s *S) M() {\n", "\n\n", "fn a() {\n", "end\n",
    "é漢字 = '…'\n", "# Title\n",
    "=====\n", "```\n", "<?php\n", "a, b, c\n", "x" * 300 + "\n",
]  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join),
    st.sampled_from([*PARSED, "markdown", "restructuredtext", "yaml", "text"]),
    st.sampled_from([SMALL, ChunkLimits()]),
)
def test_chunks_cover_every_line_that_is_not_blank_exactly_once(text: str, language: str, limits: ChunkLimits) -> None:
    check(text, chunk_text(text, language, limits))


def body(lines: int, indent: str = "    ") -> str:
    return "".join(f"{indent}value_{number} = compute_{number}(argument, other)\n" for number in range(lines))


def test_a_function_that_fits_is_one_chunk_with_its_comment_and_decorator() -> None:
    source = f"import os\n\n\n# Explains first.\n@cached\ndef first(a):\n{body(30)}\n\ndef second(b):\n{body(30)}"
    chunks = chunk_text(source, "python").chunks
    assert [(chunk.symbol, chunk.start_line, chunk.end_line) for chunk in chunks] == [
        ("", 1, 1),
        ("first", 4, 36),
        ("second", 39, 69),
    ]


def test_small_neighbours_share_a_chunk_and_large_functions_are_cut_between_statements() -> None:
    small = "".join(f"def f{number}():\n    return {number}\n\n\n" for number in range(5))
    assert len(chunk_text(small, "python").chunks) == 1
    source = f"class Big:\n    def method(self):\n{body(150, '        ')}"
    chunks = chunk_text(source, "python").chunks
    assert len(chunks) > 3
    assert {(chunk.symbol, chunk.scope) for chunk in chunks[1:]} == {("method", "Big")}
    assert all(chunk.end_line - chunk.start_line < ChunkLimits().max_lines for chunk in chunks)


def test_pieces_of_one_function_never_hold_the_start_of_the_next() -> None:
    source = f"def first():\n{body(90)}\n\ndef second():\n{body(90)}"
    starts = {chunk.start_line for chunk in chunk_text(source, "python").chunks}
    assert 94 in starts


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("markdown", "# Shop\n\nIntro.\n\n## Install\n\n" + "Run it. " * 200 + "\n\n```\n# no heading\n```\n"),
        ("restructuredtext", "Shop\n====\n\nIntro.\n\nInstall\n-------\n\n" + "Run it. " * 200 + "\n"),
    ],
)
def test_prose_is_cut_by_headings(language: str, source: str) -> None:
    parsed = chunk_text(source, language)
    assert [(symbol.name, symbol.scope) for symbol in parsed.symbols] == [("Shop", ""), ("Install", "Shop")]
    assert [chunk.symbol for chunk in parsed.chunks] == ["Shop", "Install"]
    assert parsed.chunks[1].kind == "heading"


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("python", "import os\n\n\nclass Shop:\n    def open(self):\n        return os\n" + "x = 1\n" * 4000),
        ("markdown", "# Shop\n\n## Install\n\nRun it.\n"),
        ("no-such-language", "anything\n"),
    ],
)
def test_an_outline_has_what_chunking_finds_and_no_chunks(language: str, source: str) -> None:
    whole, outlined = chunk_text(source, language), outline_text(source, language)
    assert (outlined.symbols, outlined.imports) == (whole.symbols, whole.imports)
    assert outlined.chunks == ()


def test_line_ends_and_odd_white_space_keep_lines_in_step() -> None:
    source = "x = 1\r\n\f\r\ndef f():\r\n\treturn '\x0b\x85\u2028'\r\n"
    parsed = chunk_text(source, "python")
    check(source, parsed)
    assert "\r" in parsed.chunks[0].text
    assert parsed.symbols[-1].start_line == 3


def test_bytes_that_are_no_text_have_no_chunks() -> None:
    assert chunk_blob(b"\xff\xfe\x00", "python").chunks == ()


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("python", "x = 1\n" * 100_000),
        ("javascript", "f(" * 50_000),
        ("javascript", "{\n" * 50_000),
        ("python", "\n".join(" " * min(depth, 400) + "if x:" for depth in range(2000))),
        ("rust", "fn a() {\n" * 900),
        ("markdown", "# a\n\ntext\n" * 20_000),
        ("text", "x" * 900_000),
    ],
    ids=["long", "parentheses", "braces", "indentation", "functions", "headings", "one line"],
)
def test_pathological_files_are_cut_in_bounded_time(language: str, source: str) -> None:
    # Of this thread alone: the machine may be busy with something else.
    started = time.thread_time()
    check(source, chunk_text(source, language))
    assert time.thread_time() - started < 15
