"""The corpus: lexing, sorting contexts, building, reusing and reading."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.corpus import Corpus, CorpusFile, build_corpus, known_blobs
from indexer.corpus.corpus import FILE_NAME
from indexer.corpus.lexer import BOUNDARY, NEWLINE, Interner, lex, mark_indentation
from indexer.corpus.rests import hash_rests
from indexer.corpus.suffix import narrow, sort_contexts
from indexer.corpus.vocabulary import Vocabulary
from indexer.errors import IndexCorrupt

PYTHON = "def area(width, height):\n    size = width * height\n\n    return size\n"
UNICODE = 'naïve = "日本語"\r\nif naïve:\r\n\tprint(naïve, "🎉")\r\n'


def words_of(text: str) -> list[str]:
    interner = Interner()
    lexed = lex(text, interner)
    return [text[start:end] for start, end in zip(lexed.starts, lexed.ends, strict=True)]


def test_marks_are_single_and_spaces_are_dropped() -> None:
    assert words_of("a =>  {b_1}") == ["a", "=", ">", "{", "b_1", "}"]


def test_newlines_carry_the_change_of_indentation_in_levels() -> None:
    widths = lex("a:\n    b:\n\n\t\tc\nd\n", Interner()).widths.tolist()
    assert widths == [4, 8, 0, 0]
    assert mark_indentation(widths, [0]) == [NEWLINE + 1, NEWLINE + 1, NEWLINE - 2, NEWLINE]


@given(st.text(st.sampled_from("ab1_ \t\r\n().=é日🎉"), max_size=60))
def test_tokens_and_white_space_tile_any_text(text: str) -> None:
    lexed = lex(text, Interner())
    covered = 0
    for start, end in zip(lexed.starts.tolist(), lexed.ends.tolist(), strict=True):
        assert not text[covered:start].strip()
        assert end > start
        covered = end
    assert not text[covered:].strip()


@given(st.lists(st.integers(0, 3), max_size=40))
def test_contexts_are_sorted_backwards(tokens: list[int]) -> None:
    array = np.array(tokens, dtype=np.int32)
    backwards = [tokens[: place + 1][::-1] for place in sort_contexts(array).tolist()]
    assert backwards == sorted(backwards)
    assert len(backwards) == len(tokens)


def test_without_pydivsufsort_numpy_sorts_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = np.random.default_rng(3).integers(0, 5, 400).astype(np.int32)
    expected = sort_contexts(tokens)
    monkeypatch.setitem(sys.modules, "pydivsufsort", None)
    with caplog.at_level(logging.WARNING):
        assert sort_contexts(tokens).tolist() == expected.tolist()
    assert "slower" in caplog.text


@given(st.lists(st.integers(1, 3), min_size=1, max_size=60), st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_narrowing_finds_exactly_the_places_of_a_context(tokens: list[int], context: list[int]) -> None:
    array = np.array(tokens, dtype=np.int32)
    order = sort_contexts(array)
    bounds = np.concatenate(([0], np.cumsum(np.bincount(array, minlength=5))))
    spans = narrow(order, array, bounds, context, 0)
    for depth in range(1, len(context) + 1):
        end = context[-depth:]
        expected = {place for place in range(len(tokens)) if tokens[max(0, place + 1 - depth) : place + 1] == end}
        found = [span for span in spans if span.depth == depth]
        assert {int(order[row]) for span in found for row in range(span.low, span.high)} == expected


def test_equal_rests_of_lines_have_equal_keys() -> None:
    tokens = np.array([BOUNDARY, 20, 21, 22, NEWLINE, 30, 21, 22, NEWLINE, 21], dtype=np.int32)
    keys, sizes = hash_rests(tokens)
    assert sizes.tolist() == [3, 2, 1, 0, 3, 2, 1, 0, 1, 0]
    assert keys[1] == keys[5]
    assert keys[0] != keys[4]
    assert keys[3] == 0


def test_words_starting_alike_are_a_range() -> None:
    words = [b"get", b"getItem", b"getter", b"set", "größe".encode()]
    vocabulary = Vocabulary(*Vocabulary.pack(sorted(words)))
    low, high = vocabulary.prefix_range("get")
    assert [vocabulary.word(identity) for identity in range(low, high)] == ["get", "getItem", "getter"]
    assert vocabulary.word(vocabulary.find("größe")) == "größe"
    assert vocabulary.find("ge") == -1


def test_rests_of_lines_are_read_back_as_written(tmp_path: Path) -> None:
    build_corpus([CorpusFile("a.py", "python", PYTHON, "1"), CorpusFile("b.py", "python", UNICODE, "2")], tmp_path)
    corpus = Corpus.open(tmp_path)
    place = corpus.tokens.tolist().index(corpus.vocabulary.find("size"))
    assert corpus.line_after(place) == " = width * height"
    assert corpus.line_number(place) == 2
    brackets = [
        place
        for place, token in enumerate(corpus.tokens.tolist())
        if token == corpus.vocabulary.find("(") and place > int(corpus.tokens.tolist().index(BOUNDARY, 1))
    ]
    assert corpus.line_after(brackets[0]) == 'naïve, "🎉")'
    tokens, starts, text = corpus.file_parts(1)
    assert text.decode() == UNICODE
    assert text[int(starts[1]) :].decode().startswith("naïve")
    assert len(tokens) == len(starts)


def test_nothing_follows_the_last_token_of_a_file(tmp_path: Path) -> None:
    build_corpus([CorpusFile("a", "", "one", "1"), CorpusFile("b", "", "two", "2")], tmp_path)
    corpus = Corpus.open(tmp_path)
    assert corpus.line_after(1) == ""
    assert corpus.line_after(len(corpus.tokens) - 1) == ""


def test_an_empty_corpus_answers(tmp_path: Path) -> None:
    build_corpus([], tmp_path)
    corpus = Corpus.open(tmp_path)
    assert corpus.files == ()
    assert corpus.spans([20], 10) == []
    assert Corpus.empty().spans([20], 10) == []


def test_known_files_are_taken_from_the_previous_corpus(tmp_path: Path) -> None:
    first, second, afresh = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    build_corpus([CorpusFile("a.py", "python", PYTHON, "1"), CorpusFile("old.py", "python", "x = 1", "9")], first)
    assert known_blobs(first) == {"1", "9"}
    changed = CorpusFile("b.py", "python", UNICODE, "2")
    build_corpus([CorpusFile("moved.py", "python", None, "1"), changed], second, previous=first)
    build_corpus([CorpusFile("moved.py", "python", PYTHON, "1"), changed], afresh)
    assert (second / FILE_NAME).read_bytes() == (afresh / FILE_NAME).read_bytes()


def test_a_missing_text_is_an_error_and_leaves_the_old_corpus(tmp_path: Path) -> None:
    build_corpus([CorpusFile("a.py", "python", PYTHON, "1")], tmp_path)
    with pytest.raises(IndexCorrupt, match=r"b\.py"):
        build_corpus([CorpusFile("b.py", "python", None, "2")], tmp_path, previous=tmp_path)
    assert [file.path for file in Corpus.open(tmp_path).files] == ["a.py"]


def test_a_build_that_fails_midway_leaves_the_old_corpus(tmp_path: Path) -> None:
    def files() -> Iterator[CorpusFile]:
        yield CorpusFile("b.py", "python", UNICODE, "2")
        raise KeyboardInterrupt

    build_corpus([CorpusFile("a.py", "python", PYTHON, "1")], tmp_path)
    with pytest.raises(KeyboardInterrupt):
        build_corpus(files(), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE_NAME]
    assert [file.path for file in Corpus.open(tmp_path).files] == ["a.py"]


def test_readers_keep_what_they_opened_while_it_is_replaced(tmp_path: Path) -> None:
    build_corpus([CorpusFile("a.py", "python", PYTHON, "1")], tmp_path)
    corpus = Corpus.open(tmp_path)
    build_corpus([CorpusFile("b.py", "python", UNICODE, "2")], tmp_path)
    assert corpus.line_after(1) == " area(width, height):"


@pytest.mark.parametrize("damage", ["missing", "empty", "short", "flipped", "magic", "version", "table"])
def test_a_damaged_corpus_is_reported_with_advice(tmp_path: Path, damage: str) -> None:
    build_corpus([CorpusFile("a.py", "python", PYTHON, "1")], tmp_path)
    file = tmp_path / FILE_NAME
    data = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    else:
        if damage == "empty":
            data.clear()
        elif damage == "short":
            del data[len(data) // 2 :]
        elif damage == "flipped":
            data[-10] ^= 0xFF
        elif damage == "magic":
            data[0] ^= 0xFF
        elif damage == "version":
            data[8] += 1
        else:
            data[20] ^= 0xFF
        file.write_bytes(bytes(data))
    with pytest.raises(IndexCorrupt) as caught:
        Corpus.open(tmp_path)
    assert "ndex" in caught.value.advice
    assert known_blobs(tmp_path) == frozenset()


def test_a_damaged_previous_corpus_does_not_stop_a_build(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / FILE_NAME).write_bytes(b"rubbish")
    build_corpus([CorpusFile("a.py", "python", PYTHON, "1")], tmp_path / "new", previous=tmp_path / "old")
    assert len(Corpus.open(tmp_path / "new").files) == 1


def test_damage_of_a_large_corpus_is_not_copied_into_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.corpus.storage._VERIFIED_BYTES", 0)
    file = CorpusFile("a.py", "python", PYTHON, "1")
    build_corpus([file], tmp_path / "old")
    build_corpus([file], tmp_path / "sound")
    content = bytearray((tmp_path / "old" / FILE_NAME).read_bytes())
    place = content.index(b"area(width")
    content[place : place + 4] = b"AREA"
    (tmp_path / "old" / FILE_NAME).write_bytes(content)
    assert known_blobs(tmp_path / "old") == frozenset()
    build_corpus([file], tmp_path / "new", previous=tmp_path / "old")
    assert (tmp_path / "new" / FILE_NAME).read_bytes() == (tmp_path / "sound" / FILE_NAME).read_bytes()
