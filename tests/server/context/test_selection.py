"""Which snippets stand in front of the file, and when that changes."""

from __future__ import annotations

from server.config import ContextConfig
from server.context.candidates import Candidate
from server.context.selection import select
from server.types import Snippet, SnippetReason

CONFIG = ContextConfig(tokens=200, max_snippets=6, per_file=2)


def candidate(
    name: str, weight: float, reason: SnippetReason = SnippetReason.DEFINITION, *, size: int = 60
) -> Candidate:
    text = f"def {name}(): " + "x" * size
    return Candidate("shop", f"{name}.py", "c0ffee", "python", 1, 2, text, weight, reason, name)


def names(snippets: tuple[Snippet, ...]) -> list[str]:
    return [snippet.symbol for snippet in snippets]


FIRST = [candidate("tax", 0.9), candidate("price", 0.8), candidate("similar", 0.3, SnippetReason.LEXICAL)]


def test_what_explains_a_new_name_is_added_behind() -> None:
    before = select(FIRST, CONFIG).snippets
    after = select([candidate("discount", 1.0), *FIRST], CONFIG, before)
    assert after.snippets[: len(before)] == before
    assert names(after.snippets[len(before) :]) == ["discount"]


def test_what_only_resembles_is_not_worth_a_change() -> None:
    before = select(FIRST, CONFIG).snippets
    alike = candidate("alike", 0.7, SnippetReason.DENSE)
    after = select([alike, *FIRST[:2]], CONFIG, before)
    assert after.snippets == before
    assert ("alike.py", "kept back") in {(item.path, item.reason) for item in after.dropped}


def test_the_choice_is_made_anew_when_half_of_it_is_irrelevant() -> None:
    before = select(FIRST, CONFIG).snippets
    elsewhere = [candidate("ship", 0.9), candidate("label", 0.5, SnippetReason.LEXICAL)]
    after = select(elsewhere, CONFIG, before)
    assert {"ship", "label"} <= set(names(after.snippets))


def test_a_first_choice_leaves_room_for_what_explains_later_names() -> None:
    many = [candidate(f"similar{number}", 0.7, SnippetReason.DENSE, size=100) for number in range(9)]
    before = select(many, CONFIG).snippets
    after = select([candidate("discount", 1.0), *many], CONFIG, before)
    assert after.snippets[: len(before)] == before
    assert "discount" in names(after.snippets)


def test_the_choice_is_made_anew_when_there_is_no_room_behind_it() -> None:
    before = select([candidate(name, 0.5, size=180) for name in ("one", "two", "three")], CONFIG).snippets
    newer = candidate("discount", 1.0, size=180)
    after = select([newer, *(candidate(name, 0.5, size=180) for name in ("one", "two", "three"))], CONFIG, before)
    assert "discount" in names(after.snippets)
    assert sum(len(snippet.text) for snippet in after.snippets) <= CONFIG.tokens * 3
