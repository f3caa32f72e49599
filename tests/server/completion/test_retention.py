"""What still stands of suggestions that were taken: followed through edits, looked at in time, and bounded."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.completion import SuggestionRecord
from server.completion.pieces import Edit, Piece, Place, Replacement, after, pieces_of, stands_at
from server.completion.records import Making
from server.completion.retention import MAX_WATCHED, Retention
from server.types import Caller
from tests.server.completion.test_service import until
from tests.server.counting import Counting, total

BEFORE = "import os\n\n\ndef f(xs):\n    "
TAKEN = "total = 0\n    for x in xs:\n        total += x\n    return total"
AFTER = "\n\nprint(f([1]))\n"
TEXT = st.text(alphabet="ab \n", max_size=12)


class Paper:
    """A document under a test's hand."""

    def __init__(self, text: str) -> None:
        self.text = text

    def lines(self) -> list[str]:
        return self.text.splitlines(keepends=True) + ([""] if self.text.endswith("\n") or not self.text else [])

    def replace(self, begin: int, end: int, new: str) -> Replacement:
        """Replace the characters from ``begin`` to ``end``."""
        old = self.text[begin:end]
        start = after((0, 0), self.text[:begin])
        self.text = self.text[:begin] + new + self.text[end:]
        return Replacement(start, after(start, old), old, new)

    def at(self, piece: Piece) -> str:
        return self.lines()[piece.line][piece.start : piece.end]


def followed(*edits: tuple[str, str], taken: str = TAKEN) -> tuple[str, int]:
    """Take a suggestion, replace texts by others, and return what is left of it and how many characters that is."""
    paper = Paper(BEFORE + taken + AFTER)
    pieces = pieces_of(after((0, 0), BEFORE), taken)
    for old, new in edits:
        begin = paper.text.index(old)
        pieces = Edit(paper.replace(begin, begin + len(old), new)).pieces(pieces)
    return "|".join(map(paper.at, pieces)), sum(piece.length for piece in pieces)


WHOLE = "total = 0|    for x in xs:|        total += x|    return total"


@pytest.mark.parametrize(("edits", "left"), [
    ((), WHOLE),
    ((("import os\n", "import os\nimport sys\nimport re\n"),), WHOLE),
    ((("import os\n\n\n", ""),), WHOLE),
    ((("total = 0", "total = 0  # of all"),), WHOLE),
    ((("    for x in xs:\n", ""),), "total = 0|        total += x|    return total"),
    ((("x in xs", "value in xs"),), "total = 0|    for | in xs:|        total += x|    return total"),
    # An editor that sends a whole line sends what did not change as well.
    ((("    return total", "    return total * 2"),), WHOLE),
    ((("= 0\n    for x in xs:\n    ", "= 0\n"),), "total = 0|    total += x|    return total"),
    (((BEFORE + TAKEN + AFTER, "nothing\n"),), ""),
])  # fmt: skip
def test_what_is_left_is_what_nobody_changed(edits: tuple[tuple[str, str], ...], left: str) -> None:
    found, characters = followed(*edits)
    assert found == left
    assert characters == len(left.replace("|", ""))


def test_who_formats_the_whole_file_changes_little() -> None:
    formatted = (BEFORE + TAKEN + AFTER).replace("    ", "  ").replace("import os\n\n\n", "import os\n\n")
    left, characters = followed((BEFORE + TAKEN + AFTER, formatted))
    assert re.sub(r"[| ]", "", left) == re.sub(r"[ \n]", "", TAKEN)
    assert characters <= len(TAKEN)


@settings(max_examples=400, deadline=None)
@given(TEXT, TEXT, TEXT, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15), TEXT), max_size=8))
def test_whatever_is_edited_what_is_left_stands_in_the_document_in_its_order(
    before: str, taken: str, behind: str, edits: list[tuple[int, int, str]]
) -> None:
    paper = Paper(before + taken + behind)
    pieces = pieces_of(after((0, 0), before), taken)
    whole = sum(piece.length for piece in pieces)
    for at, length, new in edits:
        begin = min(at, len(paper.text))
        pieces = Edit(paper.replace(begin, min(begin + length, len(paper.text)), new)).pieces(pieces)
        places = [(piece.line, piece.start) for piece in pieces]
        assert places == sorted(places)
        assert sum(piece.length for piece in pieces) <= whole
        rest: Iterator[str] = iter(taken)
        for character in "".join(map(paper.at, pieces)):
            assert character in rest


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT, st.integers(0, 20), st.integers(0, 10), st.text(alphabet="xyz", max_size=5))
def test_a_place_moves_with_the_text_around_it(before: str, behind: str, begin: int, length: int, new: str) -> None:
    paper = Paper(before + "@" + behind)
    begin = min(begin, len(paper.text))
    end = min(begin + length, len(paper.text))
    # What is typed there comes behind it.
    if begin <= len(before) < end or begin == end == len(before):
        return
    place = Edit(paper.replace(begin, end, new)).place(after((0, 0), before))
    assert paper.lines()[place[0]][place[1]] == "@"


def record(text: str = TAKEN, lead: str = "") -> SuggestionRecord:
    caller = Caller(team="payments", editor="zed")
    return SuggestionRecord(text=text, lead=lead, caller=caller, making=Making(engine="vllm", model="qwen-test"))


WHERE: Place = after((0, 0), BEFORE)
LABELS = ("vllm", "qwen-test", "zed", "payments")


class Seen:
    """What metrics say was looked at, and what of it still stood there."""

    def __init__(self) -> None:
        self._watched = Counting("hearth_suggestions_watched_characters_total")
        self._retained = Counting("hearth_suggestions_retained_characters_total")

    def after(self, look: str) -> tuple[float, float]:
        return self._watched.added().get((*LABELS, look), 0), self._retained.added().get((*LABELS, look), 0)


async def test_it_is_looked_at_twice_and_counted_by_what_stands_there_then() -> None:
    seen, paper = Seen(), Paper(BEFORE + AFTER)
    retention = Retention({"30s": 0.05, "10min": 0.3})
    taken = record()
    retention.offered(taken.id, "a", WHERE, paper.lines)
    # Some editors say that it was taken before they say that it is there.
    retention.taken(taken, 0, len(TAKEN))
    retention.replaced("a", paper.replace(len(BEFORE), len(BEFORE), TAKEN))
    whole = len(TAKEN.replace("\n", ""))
    await until(lambda: seen.after("30s")[0] > 0)
    assert seen.after("30s") == (whole, whole)
    assert seen.after("10min") == (0, 0)
    begin = paper.text.index("    return total")
    retention.replaced("a", paper.replace(begin, begin + len("    return total"), "    return 1"))
    await until(lambda: seen.after("10min")[0] > 0)
    assert seen.after("10min") == (whole, whole - len("total"))
    assert not retention._watched
    retention.close()


async def test_what_is_taken_word_by_word_behind_a_selected_completion_is_found_where_it_stands() -> None:
    seen, text = Seen(), "total(xs)"
    paper = Paper(BEFORE + "su" + AFTER)
    retention = Retention({"30s": 0.05})
    taken = record(text, lead="sum_")
    retention.offered(taken.id, "a", WHERE, paper.lines)
    retention.replaced("a", paper.replace(len(BEFORE), len(BEFORE) + 2, "sum_total"))
    retention.taken(taken, 0, 5)
    retention.replaced("a", paper.replace(len(BEFORE) + 9, len(BEFORE) + 9, "(xs)"))
    retention.taken(taken, 5, 9)
    await until(lambda: seen.after("30s")[0] == 9)
    assert seen.after("30s") == (9, 9)
    retention.close()


async def test_what_cannot_be_followed_is_left_out_and_counted() -> None:
    seen, unwatched = Seen(), Counting("hearth_suggestions_unwatched_total")
    retention = Retention({"30s": 0.02, "10min": 60.0})
    paper = Paper(BEFORE + TAKEN + AFTER)
    retention.taken(record(), 0, 5)
    for number in range(MAX_WATCHED + 3):
        one = record("total")
        retention.offered(one.id, f"d{number % 2}", WHERE, paper.lines)
        retention.taken(one, 0, 5)
    elsewhere = record("something else")
    retention.offered(elsewhere.id, "d0", WHERE, paper.lines)
    retention.taken(elsewhere, 0, 9)
    assert len(retention._watched) == MAX_WATCHED
    await until(lambda: seen.after("30s")[0] >= MAX_WATCHED * 5)
    retention.closed("d0")
    retention.close()
    retention.close()
    assert {reason: amount for (reason,), amount in unwatched.added().items()} == {
        "unplaced": 2, "crowded": 3, "closed": MAX_WATCHED,
    }  # fmt: skip
    assert seen.after("10min") == (0, 0)
    assert not retention.follows("d0")


async def test_an_editor_with_other_line_ends_is_followed_as_well() -> None:
    seen = Seen()
    paper = Paper((BEFORE + TAKEN + AFTER).replace("\n", "\r\n"))
    retention = Retention({"30s": 0.05})
    taken = record()
    retention.offered(taken.id, "a", WHERE, paper.lines)
    retention.taken(taken, 0, len(TAKEN))
    begin = paper.text.index("    for x")
    retention.replaced("a", paper.replace(begin, paper.text.index("        total"), ""))
    await until(lambda: seen.after("30s")[0] > 0)
    watched, retained = seen.after("30s")
    assert watched - retained == len("    for x in xs:")
    retention.close()


async def test_following_a_large_document_that_is_replaced_holds_up_nobody() -> None:
    text = BEFORE + TAKEN + AFTER + "x = 1\n" * 200_000
    paper = Paper(text)
    retention = Retention()
    for _ in range(MAX_WATCHED):
        one = record()
        retention.offered(one.id, "a", WHERE, paper.lines)
        retention.taken(one, 0, len(TAKEN))
    replacement = paper.replace(0, len(text), "y = 2\n" + text[::-1])
    # Of this thread alone: the machine may be busy with something else.
    began = time.thread_time()
    retention.replaced("a", replacement)
    assert time.thread_time() - began < 1.0
    retention.close()
    assert total("hearth_suggestions_unwatched_total", reason="closed") >= MAX_WATCHED


def test_a_text_stands_somewhere_only_with_its_whole_lines() -> None:
    lines = ["a = b\r\n", "c = d\r\n", ""]
    assert stands_at((0, 4), "b\nc =", lines)
    assert not stands_at((0, 4), "b\nd", lines)
    assert not stands_at((0, 2), "=\nc", lines)
    assert not stands_at((1, 4), "d\n\n", lines)
