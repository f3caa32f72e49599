"""What is shown of what engines write: the golden tables, and what holds for any text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.completion.postprocess import Cursor, Draft, cursor_of, opening, overlap, settle, wants_several_lines
from server.types import CompletionRequest
from tests.server.completion.golden import GOLDEN, Golden


def at(text: str, *, language: str = "python") -> Cursor:
    prefix, _, suffix = text.rpartition("|")
    before = prefix.replace("\r\n", "\n").rpartition("\n")[2]
    multiline = wants_several_lines(before, suffix.replace("\r\n", "\n").partition("\n")[0], language)
    return cursor_of(
        CompletionRequest(path="a", language=language, prefix=prefix, suffix=suffix, multiline=multiline), max_lines=12
    )


def check(text: str, raw: str, expected: str, *, language: str = "python") -> None:
    """Compare the end, and see that no letter of the stream lets anything else through on the way."""
    cursor = at(text, language=language)
    assert settle(raw, cursor, final=True).text == expected
    shown = ""
    for end in range(1, len(raw) + 1):
        draft = settle(raw[:end], cursor, final=False)
        if draft.complete:
            assert draft.text == expected
            break
        assert draft.text.startswith(shown), f"{shown!r} flickers to {draft.text!r} after {raw[:end]!r}"
        shown = draft.text
    assert shown.startswith(expected) or expected.startswith(shown)


ROWS = [pytest.param(language, row, id=f"{language}: {row.name}") for language, rows in GOLDEN.items() for row in rows]


@pytest.mark.parametrize(("language", "row"), ROWS)
def test_what_an_engine_writes_is_made_to_fit(language: str, row: Golden) -> None:
    check(row.text, row.raw, row.shown, language=language)


@given(data=st.data())
def test_it_does_not_matter_how_a_stream_is_cut(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(GOLDEN)))
    row = data.draw(st.sampled_from(GOLDEN[language]))
    cuts = data.draw(st.lists(st.integers(1, len(row.raw)), max_size=8).map(sorted))
    cursor, shown, draft = at(row.text, language=language), "", Draft("")
    for end in [*cuts, len(row.raw)]:
        draft = settle(row.raw[:end], cursor, final=end == len(row.raw))
        assert draft.text.startswith(shown) or draft.settled
        shown = draft.text
        if draft.complete:
            break
    assert shown == row.shown


def test_special_tokens_that_the_file_is_about_are_left_alone() -> None:
    check('A = "<|endoftext|>"\nB = |\n', '"<|endoftext|>"', '"<|endoftext|>"')


def test_early_end_tells_that_nothing_more_is_wanted() -> None:
    assert settle("value\nnext", at("x = |\n"), final=False).complete


@pytest.mark.parametrize(
    ("before", "after", "several"),
    [
        ("", "", True),
        ("    ", "", True),
        ("def f():", "", True),
        ("if (x) {", "", True),
        ("x = ", "", False),
        ("print(", ")", False),
        ("", "rest", False),
        ("for i in a; do", "", True),
        ("a = 'b  # c:'", "", False),
        ("x = y.z", "", False),
    ],
)
def test_several_lines_only_where_a_block_can_stand(before: str, after: str, several: bool) -> None:
    assert wants_several_lines(before, after, "python") is several


def test_a_bracket_alone_begins_no_arm_of_a_case() -> None:
    assert wants_several_lines("  b)", "", "bash")
    assert not wants_several_lines("  )", "", "bash")


@pytest.mark.parametrize(
    ("line", "language"),
    [
        (" " * 30_000 + "x", "ruby"),
        (" " * 30_000 + "x", "bash"),
        ("a # " * 10_000 + "'", "python"),
    ],
)
def test_blanks_and_beginnings_of_comments_are_read_once(
    line: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As it is asked at each key, on the event loop, a line must not take the square of its length.
    monkeypatch.setattr(opening, "_LONGEST", len(line))
    began = time.thread_time()
    assert not wants_several_lines(line, "", language)
    assert time.thread_time() - began < 0.5


_PIECES = st.sampled_from(
    [
        "a",
        "foo",
        " ",
        "    ",
        "\t",
        "\n",
        "\r\n",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        ";",
        ",",
        ":",
        "<|",
        "<|fim_",
        "x = 1\n",
        "}\n",
    ]
)
_TEXTS = st.sampled_from([(language, row.text) for language, rows in GOLDEN.items() for row in rows])


@given(place=_TEXTS, pieces=st.lists(_PIECES, max_size=20))
def test_streams_never_flicker(place: tuple[str, str], pieces: list[str]) -> None:
    language, text = place
    cursor, raw, shown = at(text, language=language), "", ""
    for piece in pieces:
        raw += piece
        draft = settle(raw, cursor, final=False)
        if draft.complete:
            break
        assert draft.text.startswith(shown)
        shown = draft.text
    final = settle(raw, cursor, final=True).text
    assert final.startswith(shown) or shown.startswith(final)


@given(place=_TEXTS, pieces=st.lists(_PIECES, max_size=20))
def test_what_follows_the_cursor_is_never_repeated(place: tuple[str, str], pieces: list[str]) -> None:
    language, text = place
    cursor = at(text, language=language)
    final = settle("".join(pieces), cursor, final=True).text
    if cursor.rest and any(character.isalpha() for character in cursor.rest) and final.strip() != cursor.rest:
        assert not final.rstrip().endswith(" " + cursor.rest)


def test_a_line_of_thousands_of_brackets_and_quotes_is_looked_at_a_few_times_near_the_cursor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []

    def counted(text: str, cursor: Cursor) -> int:
        looked_at.append(len(cursor.line_before) + len(text) + len(cursor.line_after))
        return 0

    original = overlap._left_over
    for mark in ("'", '"', ")"):
        looked_at.clear()
        monkeypatch.setattr(overlap, "_left_over", counted)
        cursor = at(f"x = {mark * 20_000}|{mark * 20_000}", language="javascript")
        settle(mark * 200, cursor, final=True)
        assert len(looked_at) < 100
        monkeypatch.setattr(overlap, "_left_over", original)
        # Whatever stands further away makes no difference, so that it need not be read.
        far = at(f"x = ({mark * 20_000}|{mark * 20_000})", language="javascript")
        assert overlap._left_over("a", far) == overlap._left_over("a", cursor)
