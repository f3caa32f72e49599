"""Steps that compare a suggestion with what stands around the cursor already, so that nothing is there twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from server.completion.postprocess.cursor import Cursor, Shape
from server.completion.postprocess.draft import Draft

_PAIRS = {")": "(", "]": "[", "}": "{"}
_OPENERS = "([{"
_QUOTES = "\"'`"
_SIGNIFICANT = re.compile(r"\w.*\w.*\w", re.DOTALL)
_MAX_EQUAL_LINES = 2
_LEAST_SAID_AGAIN = 3
"""Fewer lines may well be the same twice."""
_MOST_ENDS = 16
"""Of one repeated character every length is an end that repeats what follows: so many are looked at."""
_NEAR = 256
"""Characters of one line, on either side, whose brackets and quotes are counted: a line may have thousands."""
_GOES_ON = ("(", "[", "{", ",", ":", "=", "+", "&&", "||", "->", "=>")
"""Ends of lines that are no statement by themselves."""


def balance_brackets(draft: Draft, cursor: Cursor) -> Draft:
    """End before a bracket that closes what was opened before the cursor, when the rest of the line closes it too."""
    if not cursor.rest or cursor.rest[0] not in _PAIRS:
        return draft
    unmatched = _first_unmatched_closer(draft.text)
    if unmatched >= 0 and draft.text[unmatched] == cursor.rest[0]:
        return draft.cut(unmatched)
    return draft


def drop_rest_of_line(draft: Draft, cursor: Cursor) -> Draft:
    """Drop an end that repeats what follows the cursor on its line; hold it back while it may become that."""
    if not cursor.rest:
        return draft
    text = draft.text
    longest = 0
    for rest in (cursor.line_after.rstrip(), cursor.rest):
        lengths = (length for length in range(min(len(rest), len(text)), 0, -1) if text.endswith(rest[:length]))
        for length in islice(lengths, _MOST_ENDS):
            if not draft.settled or _repeats(text, rest, length, cursor):
                longest = max(longest, length)
                break
    if not longest:
        return draft
    return draft.cut(len(text) - longest) if draft.settled else draft.hold(len(text) - longest)


def drop_following_lines(draft: Draft, cursor: Cursor) -> Draft:
    """End before lines that stand below the cursor already."""
    if cursor.rest or not cursor.below:
        return draft
    lines = draft.text.split("\n")
    lines[0] = cursor.line_before + lines[0]
    shapes = [cursor.shape(line) for line in lines]
    below = cursor.shapes_below
    complete = len(lines) if draft.settled else len(lines) - 1
    for number in range(complete):
        if shapes[number] != below[0] or not _SIGNIFICANT.search(lines[number]):
            continue
        if number or not _only_begins_as(shapes, below):
            return _cut_lines(draft, number)
    if draft.settled:
        repeated = _first_line_of_repeated_end(shapes, below)
        if repeated is None or _closes_its_own(draft.text, lines[repeated:]):
            return draft
        return _cut_lines(draft, repeated)
    # The last lines may turn out to repeat what is below; how many, depends on how far they agree so far.
    for number in range(max(0, len(lines) - len(below)), len(lines)):
        tail = tuple(shape for shape in shapes[number:] if shape.text)
        if tail and tail[:-1] == below[: len(tail) - 1] and below[len(tail) - 1].may_become(tail[-1]):
            return draft.hold(_end_before_line(draft.text, number))
    return draft


def drop_repeated_lines(draft: Draft, cursor: Cursor) -> Draft:
    """Propose nothing that only repeats the line above, and no line again and again."""
    lines = draft.text.split("\n")
    first = (cursor.line_before + lines[0]).strip()
    above = next((line.strip() for line in cursor.above if line.strip()), "")
    alone = not any(line.strip() for line in lines[1:])
    if alone and not cursor.rest and above and _SIGNIFICANT.search(above):
        if draft.settled and first == above:
            return draft.withdraw()
        if not draft.settled and above.startswith(first):
            return draft.hold(0)
    equal = 1
    for number in range(1, len(lines) if draft.settled else len(lines) - 1):
        same = lines[number] == lines[number - 1] and _SIGNIFICANT.search(lines[number])
        equal = equal + 1 if same else 1
        if equal > _MAX_EQUAL_LINES:
            return _cut_lines(draft, number - _MAX_EQUAL_LINES + 1)
    again = _first_line_said_again(lines if draft.settled else lines[:-1])
    return draft if again is None else _cut_lines(draft, again)


def _closes_its_own(text: str, end: Sequence[str]) -> bool:
    """Whether the last lines are nothing but brackets for those that ``text`` opened itself."""
    brackets = "".join(end).replace(";", "").split()
    return bool(brackets) and set("".join(brackets)) <= set(_PAIRS) and _first_unmatched_closer(text) < 0


def _first_line_said_again(lines: Sequence[str]) -> int | None:
    """Return where the first part of a suggestion, of a few lines, is said once more and in full."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    texts = [lines[number].rstrip() for number in filled]
    # What stands on the cursor's line is no whole line.
    first = int(bool(filled) and filled[0] == 0)
    for length in range(_LEAST_SAID_AGAIN, (len(texts) - first) // 2 + 1):
        once, again = texts[first : first + length], texts[first + length : first + 2 * length]
        if once == again:
            return filled[first + length]
    return None


def _only_begins_as(shapes: Sequence[Shape], below: Sequence[Shape]) -> bool:
    """Whether lines that begin as those below may be another statement: none was complete while they agreed."""
    filled = [shape for shape in shapes if shape.text]
    for shape, other in zip(filled, below, strict=False):
        if shape != other:
            return True
        if not shape.text.endswith(_GOES_ON):
            return False
    return len(filled) <= len(below)


def _repeats(text: str, rest: str, length: int, cursor: Cursor) -> bool:
    """Whether the last ``length`` characters, which begin ``rest`` too, are a repetition and not a coincidence."""
    before, end = text[: len(text) - length], text[len(text) - length :]
    if not end.strip() or _inside_word(rest, length) or _inside_word(before + end, len(before)):
        return False
    if any(quote in end and text.count(quote) % 2 for quote in _QUOTES):
        return True
    if any(character in _QUOTES or character in _PAIRS for character in end):
        # Strings and brackets that the suggestion opened itself are its own, unless all that follows is repeated, or
        # what follows closes them.
        whole = length == len(rest) and (_SIGNIFICANT.search(end) or any(opener in end for opener in _OPENERS))
        return (
            bool(whole) or _first_unmatched_closer(text) >= 0 or _left_over(before, cursor) < _left_over(text, cursor)
        )
    return True


def _left_over(text: str, cursor: Cursor) -> int:
    """Count brackets and quotes without their other half near a cursor at which ``text`` is inserted."""
    above = [line[-_NEAR:] for line in reversed(cursor.above)]
    lines = [*above, cursor.line_before[-_NEAR:] + text + cursor.line_after[:_NEAR]]
    opened: list[str] = []
    alone = 0
    for line in lines:
        at = 0
        while at < len(line):
            character = line[at]
            if character in _QUOTES:
                end = _end_of_string(line, at)
                alone += end == at and line is lines[-1]
                at = end
            elif character in _OPENERS:
                opened.append(character)
            elif character in _PAIRS:
                if opened and opened[-1] == _PAIRS[character]:
                    opened.pop()
                else:
                    alone += 1
            at += 1
    return alone + len(opened)


def _inside_word(text: str, at: int) -> bool:
    """Whether ``at`` is between two characters of one word."""
    return 0 < at < len(text) and all(character.isalnum() or character == "_" for character in text[at - 1 : at + 1])


def _first_unmatched_closer(text: str) -> int:
    """Index of the first bracket that closes nothing opened in ``text``, outside of strings; -1 if there is none."""
    open_brackets: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character in _QUOTES:
            end = _end_of_string(text, at)
            at = max(at, end)
        elif character in _OPENERS:
            open_brackets.append(character)
        elif character in _PAIRS and (not open_brackets or open_brackets.pop() != _PAIRS[character]):
            return at
        at += 1
    return -1


def _end_of_string(text: str, start: int) -> int:
    """Index of the quote that closes the one at ``start`` on the same line; ``start`` itself if none does."""
    at = start + 1
    while at < len(text) and text[at] != "\n":
        if text[at] == "\\":
            at += 1
        elif text[at] == text[start]:
            return at
        at += 1
    return start


def _first_line_of_repeated_end(lines: Sequence[Shape], below: tuple[Shape, ...]) -> int | None:
    for number in range(max(0, len(lines) - 2 * len(below)), len(lines)):
        tail = tuple(line for line in lines[number:] if line.text)
        if tail and tail == below[: len(tail)]:
            return number
    return None


def _cut_lines(draft: Draft, number: int) -> Draft:
    """Keep the lines before ``number``; nothing when that is the first."""
    return draft.withdraw() if number == 0 else draft.cut(_end_before_line(draft.text, number))


def _end_before_line(text: str, number: int) -> int:
    """Index of the line end before line ``number``, 0 for the first line."""
    end = 0
    for _ in range(number):
        end = text.index("\n", end) + 1
    return max(0, end - 1)
