"""What a parser reads part by part is what it reads at once, and nothing of it stays in memory."""

from __future__ import annotations

import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from tree_sitter import Node

from indexer.parse import GrowingSource
from indexer.parse.grammar import parse, parser_of
from indexer.parse.reading import reader

CODE = 'def größe(länge):\n    return "🙂" + länge  # 漢字\n\n\n'


def leaves(node: Node) -> list[tuple[str, int, int]]:
    if not node.children:
        return [(node.type, node.start_byte, node.end_byte)]
    return [leaf for child in node.children for leaf in leaves(child)]


@given(times=st.integers(0, 120), moved=st.text("x→🙂", max_size=70), end=st.text("a é🙂", max_size=70))
def test_a_source_is_the_same_in_parts_and_at_once(times: int, moved: str, end: str) -> None:
    source = (f"# {moved}\n" + CODE * times + end).encode()
    parser = parser_of("python")
    assert parser is not None
    assert leaves(parser.parse(reader(source)).root_node) == leaves(parser.parse(source).root_node)


def test_parts_join_to_the_source() -> None:
    for length in (0, 1, 2, 63, 64, 65, 4_095, 4_096, 4_097, 9_999):
        source, read = bytes(number % 251 for number in range(length)), bytearray()
        give = reader(source)
        while part := give(len(read), None):
            read += part
        assert read == source


def test_parsing_again_and_again_keeps_no_source_in_memory() -> None:
    source, growing = (CODE * 400).encode(), GrowingSource(CODE * 100, "python")

    def work(begin: int, end: int) -> None:
        for number in range(begin, end):
            assert parse(source + b"%d" % number, "python") is not None
            assert growing.tokens(f"def f{number}():\n    return {number}\n") is not None

    work(0, 5)
    gc.collect()
    tracemalloc.start()
    try:
        work(5, 45)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10 * len(source)
