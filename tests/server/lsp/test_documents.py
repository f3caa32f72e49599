"""Open documents under the edits that clients send, sane or not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.lsp.documents import Documents, Edit, Place, file_path, split_lines
from server.lsp.positions import PositionEncoding

URI = "file:///w/a.py"


def opened(text: str, encoding: PositionEncoding = PositionEncoding.UTF16) -> Documents:
    documents = Documents()
    documents.encoding = encoding
    documents.open(URI, "python", 1, text)
    return documents


def edited(text: str, *edits: Edit, encoding: PositionEncoding = PositionEncoding.UTF16) -> str:
    document = opened(text, encoding).change(URI, 2, edits)
    assert document is not None
    assert document.lines == split_lines(document.text)
    return document.text


def test_typing_inserts() -> None:
    assert edited("a\nb\n", Edit("x", (1, 1), (1, 1)), Edit("y", (1, 2), (1, 2))) == "a\nbxy\n"


def test_replacing_across_lines() -> None:
    assert edited("one\ntwo\nthree\n", Edit("-", (0, 2), (2, 2))) == "on-ree\n"


def test_deleting_the_last_line_end() -> None:
    assert edited("a\nb\n", Edit("", (1, 1), (2, 0))) == "a\nb"


def test_appending_after_the_end() -> None:
    assert edited("a\n", Edit("b\n", (1, 0), (1, 0))) == "a\nb\n"


def test_whole_document() -> None:
    assert edited("a\n", Edit("x\r\ny")) == "x\r\ny"


def test_crlf_is_kept_and_not_counted() -> None:
    assert edited("a\r\nb\r\n", Edit("!", (0, 1), (0, 1)), Edit("\r\nc", (1, 1), (1, 1))) == "a!\r\nb\r\nc\r\n"
    # A column past the end is the end of the line, before its line end.
    assert edited("a\r\nb\r\n", Edit("!", (0, 99), (0, 99))) == "a!\r\nb\r\n"


def test_only_the_protocols_line_ends_count() -> None:
    # str.splitlines would see seven lines here.
    text = "a\x0bb\x0cc\u2028d\x85e\x1cf\ng\n"
    assert edited(text, Edit("!", (1, 0), (1, 0))) == "a\x0bb\x0cc\u2028d\x85e\x1cf\n!g\n"


def test_line_feed_after_lone_carriage_return_makes_one_line_end() -> None:
    assert edited("a\rb", Edit("\n", (1, 0), (1, 0))) == "a\r\nb"


@pytest.mark.parametrize(
    ("encoding", "column"),
    [(PositionEncoding.UTF8, 9), (PositionEncoding.UTF16, 6), (PositionEncoding.UTF32, 5)],
)
def test_columns_count_in_the_negotiated_unit(encoding: PositionEncoding, column: int) -> None:
    assert edited("x='😀é'", Edit("!", (0, column), (0, column)), encoding=encoding) == "x='😀é!'"


def test_a_column_inside_an_emoji_is_before_it() -> None:
    assert edited("😀", Edit("!", (0, 1), (0, 1))) == "!😀"


def test_half_an_emoji_never_gets_into_the_text() -> None:
    assert edited("ab", Edit("\ud83d", (0, 1), (0, 1))) == "a\ufffdb"


@pytest.mark.parametrize("start", [(-5, 0), (0, -3), (99, 0), (1, 999), (99, 99)])
@pytest.mark.parametrize("end", [(-1, -1), (0, 0), (50, 50)])
def test_ranges_that_do_not_exist_are_moved_to_where_there_is_text(
    start: tuple[int, int], end: tuple[int, int]
) -> None:
    edited("a\nbc\n", Edit("x\ny", start, end))


def test_a_range_given_backwards_is_turned_round() -> None:
    assert edited("abc", Edit("-", (0, 2), (0, 1))) == "a-c"


def test_changes_of_a_document_that_is_not_open_are_ignored() -> None:
    assert Documents().change(URI, 2, [Edit("x")]) is None


def test_percent_encoding_does_not_tell_documents_apart() -> None:
    documents = Documents()
    documents.open("file:///w/a%20b.py", "python", 1, "x")
    assert documents.get("file:///w/a b.py") is not None


@pytest.mark.parametrize(
    "uri", ["untitled:Untitled-1", "git:/w/a.py?ref", "vscode-notebook-cell:/w#1", "", "file://[x"]
)
def test_what_is_no_file_has_no_path(uri: str) -> None:
    assert file_path(uri) is None


def test_most_recently_used_comes_first() -> None:
    documents = Documents()
    for name in "abc":
        documents.open(f"file:///{name}", "python", 1, "")
    documents.change("file:///a", 2, [Edit("x")])
    assert [document.uri[-1] for document in documents] == ["a", "c", "b"]


def test_recent_edits_follow_the_text_they_stand_in() -> None:
    documents = opened("".join(f"line {number}\n" for number in range(100)))
    documents.change(URI, 2, [Edit("changed", (50, 0), (50, 0))])
    documents.change(URI, 3, [Edit("a\nb\nc\n", (0, 0), (0, 0))])
    late, early = documents.recent_edits()
    document = documents.get(URI)
    assert document is not None
    assert (late.start, early.start) == (0, 53)
    assert document.lines[early.start] == "changedline 50\n"


def test_a_key_in_a_file_of_fifty_thousand_lines_costs_less_than_five_milliseconds() -> None:
    documents = opened("".join(f"    value_{number} = compute({number})\n" for number in range(50_000)))
    spent = []
    for number in range(50):
        started = time.thread_time()
        documents.change(URI, number + 2, [Edit("x", (25_000, 4 + number), (25_000, 4 + number))])
        spent.append(time.thread_time() - started)
    # Of this thread alone, and the median: the machine may be busy with something else.
    assert sorted(spent)[25] < 0.005


_TEXT = st.lists(st.sampled_from(["a", "é", "😀", "\n", "\r", "\r\n", "\t", "\u2028"]), max_size=20).map("".join)
_POINT = st.tuples(st.integers(-1, 8), st.integers(-1, 12))


@given(
    text=_TEXT, edits=st.lists(st.tuples(_TEXT, _POINT, _POINT), max_size=4), encoding=st.sampled_from(PositionEncoding)
)
def test_lines_always_agree_with_the_text(
    text: str, edits: list[tuple[str, tuple[int, int], tuple[int, int]]], encoding: PositionEncoding
) -> None:
    edited(text, *[Edit(*edit) for edit in edits], encoding=encoding)


@given(
    line=_TEXT.map(lambda text: text.replace("\n", "").replace("\r", "")), encoding=st.sampled_from(PositionEncoding)
)
def test_positions_survive_a_round_trip(line: str, encoding: PositionEncoding) -> None:
    document = opened(line, encoding).get(URI)
    assert document is not None
    for column in range(len(line) + 1):
        place = Place(0, column)
        assert document.place(*document.client_position(place)) == place
