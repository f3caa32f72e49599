"""Where the cursor stands: the tokens before it, what is half typed, what follows, and all open text as one stream."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.corpus.lexer import BOUNDARY, LAST_NEWLINE, indentation_width, is_newline, lex
from server.engine.embedded.document import (
    Segment,
    SegmentCache,
    flat_segment,
    is_flat,
    newline_token,
)

if TYPE_CHECKING:
    from server.types import CompletionRequest

CONTEXT_TOKENS = 64
_BEFORE, _AFTER, _OTHER = 200_000, 100_000, 100_000
"""Characters of the text before and after the cursor, and of each other open file, that are looked at."""
_STEP = 50_000
_LONGEST_LINE, _LINE_STEP = 20_000, 10_000
"""Characters of the cursor's own line, before it and after it, that are looked at: a longer one costs a key no more."""
_LONGEST_WORD = 100
_MOST_OPEN_FILES = 6
_INDENTED = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)
_HALF_TYPED = re.compile(r"\w+\Z")
_COMMENT = re.compile(r"\s*(?:#(?!\[|include|define|if|endif|else|pragma)|//|/\*|\*(?:\s|\Z|/)|--\s|<!--|;;|%\s)")
_LATE_COMMENT = re.compile(r"(?:\s#\s|\s//)")


@dataclass(frozen=True, slots=True)
class Cursor:
    """All that retrieval needs to know of one request.

    Attributes:
        stream: int32[n], the open text: before the cursor (whole tokens only), after it, other open files; each after
            a ``BOUNDARY``.
        shapes: int32[n], the same abstracted.
        segments: The stretches in the stream with the index of each one's first token.
        at: Index in the stream of the last token before the cursor (before what is half typed).
        line_start: Index of the newline (or boundary) before the cursor's line.
        partial: The word that is half typed, empty otherwise.
        on_new_line: Only white space stands on the line before the cursor.
        breaks_line: The line break itself is to be proposed, since the cursor's column says nothing yet.
        spaced: White space stands right before the cursor.
        line: Text of the line before the cursor.
        indentation: Its leading white space.
        rest: Text of the line after the cursor.
        below: Text of the lines below.
        below_ids: int32[m], the tokens below the cursor's line, newlines dropped at the front.
        flat: The text has no line breaks; a line is a statement.
    """

    stream: npt.NDArray[np.int32]
    shapes: npt.NDArray[np.int32]
    segments: tuple[tuple[int, Segment, str], ...]
    at: int
    line_start: int
    partial: str
    on_new_line: bool
    breaks_line: bool
    spaced: bool
    line: str
    indentation: str
    rest: str
    below: str
    below_ids: npt.NDArray[np.int32]
    flat: bool
    in_comment: bool
    in_string: bool

    @property
    def context(self) -> npt.NDArray[np.int32]:
        """The last tokens before the cursor."""
        return self.stream[max(0, self.at + 1 - CONTEXT_TOKENS) : self.at + 1]

    @property
    def statement(self) -> str:
        """The text between the last newline token and the cursor: the line, or the statement of a flat text."""
        if not self.flat:
            return self.line
        _, head, _ = self.segments[0]
        begin = head.ends.item(self.line_start - 1) if 0 < self.line_start <= len(head.ids) else 0
        return self.line[begin:]

    @property
    def shape_context(self) -> npt.NDArray[np.int32]:
        """The same abstracted."""
        return self.shapes[max(0, self.at + 1 - CONTEXT_TOKENS) : self.at + 1]

    def line_after(self, place: int) -> str:
        """Return what stands between the token at ``place`` of the stream and the end of its line."""
        first, segment, _ = self.segment_at(place)
        index = place - first
        ids, size = segment.ids, len(segment.ids)
        until = index + 1
        last = min(size, until + CONTEXT_TOKENS * 2)
        while until < last and not is_newline(ids.item(until)):
            until += 1
        if until == index + 1 or index + 1 >= size:
            return ""
        token = ids.item(index) if index >= 0 else BOUNDARY
        begin = segment.starts.item(index + 1) if token == BOUNDARY or is_newline(token) else segment.ends.item(index)
        return segment.text[begin : segment.ends.item(until - 1)]

    def indentation_after(self, levels: int) -> str:
        """Return the indentation of the next line when it changes by ``levels``, in the file's own tabs or spaces."""
        head = self.segments[0][1]
        last = head.text[head.text.rfind("\n") + 1 :]
        indentation = last[: len(last) - len(last.lstrip())]
        if levels > 0:
            return indentation + indentation_unit(head.text) * levels
        if levels < 0:
            target = head.stack[max(0, len(head.stack) - 1 + levels)]
            while indentation and indentation_width(indentation) > target:
                indentation = indentation[:-1]
        return indentation

    def segment_at(self, place: int) -> tuple[int, Segment, str]:
        """Return first token, stretch and path of the segment that holds ``place``."""
        found = self.segments[0]
        for candidate in self.segments:
            if candidate[0] - 1 <= place:
                found = candidate
        return found


def locate(
    request: CompletionRequest, cache: SegmentCache, *, word_is_done: bool = False, fresh_line: bool = False
) -> Cursor:
    """Lex what is open around the cursor of ``request``, reusing what ``cache`` has.

    With ``word_is_done`` a word right before the cursor is taken for whole, otherwise for half typed. With
    ``fresh_line`` the cursor's column on an empty line says nothing about how far that line is to be indented.
    """
    lexicon = cache.lexicon
    prefix, suffix = _window(request.prefix, request.suffix)
    flat = is_flat(request.prefix, request.suffix)
    if flat:
        line, rest, below = prefix, "", suffix
    else:
        line = prefix[prefix.rfind("\n") + 1 :]
        rest, _, below = suffix.partition("\n")
        rest = rest.rstrip("\r")
    half_typed = None if word_is_done else _HALF_TYPED.search(line[-_LONGEST_WORD:])
    partial = half_typed.group() if half_typed else ""
    whole = line[: len(line) - len(partial)]
    indentation = line[: len(line) - len(line.lstrip())]
    on_new_line = not whole.strip()
    if flat:
        head = flat_segment(prefix[: len(prefix) - len(partial)], lexicon)
        on_new_line = len(head.ids) > 0 and is_newline(int(head.ids[-1]))
        breaks_line = False
        indentation = ""
    else:
        above = prefix[: len(prefix) - len(line)].rstrip()
        head = cache.segment((request.path, "head"), above)
        breaks_line = on_new_line and not partial and not line and bool(above)
        breaks_line = breaks_line and (fresh_line or _expects_indentation(above, below))
        if not breaks_line:
            head = _with_line(head, whole, indentation, cache)
    tail = cache.segment((request.path, "tail"), below)
    segments: list[tuple[int, Segment, str]] = []
    boundary = np.zeros(1, dtype=np.int32)
    parts = [boundary, head.ids]
    segments.append((1, head, request.path))
    total = 1 + len(head.ids)
    at = total - 1
    others = [
        (file.path, file.text[:_OTHER]) for file in request.open_files[:_MOST_OPEN_FILES] if file.path != request.path
    ]
    stretches = [(request.path, tail), *((path, cache.segment((path, "open"), text)) for path, text in others)]
    for path, segment in stretches:
        parts += [boundary, segment.ids]
        segments.append((total + 1, segment, path))
        total += 1 + len(segment.ids)
    parts.append(boundary)
    stream = np.concatenate(parts)
    below_ids = tail.ids
    while len(below_ids) and is_newline(int(below_ids[0])):
        below_ids = below_ids[1:]
    return Cursor(
        stream=stream,
        shapes=lexicon.shapes(stream),
        segments=tuple(segments),
        at=at,
        line_start=_line_start(stream, at),
        partial=partial,
        on_new_line=on_new_line,
        breaks_line=breaks_line,
        spaced=not partial and (not line or line[-1].isspace()),
        line=line,
        indentation=indentation,
        rest=rest,
        below=below,
        below_ids=below_ids[:32],
        flat=flat,
        in_comment=not flat and _in_comment(line, prefix),
        in_string=not flat and _in_string(line),
    )


def _line_start(stream: npt.NDArray[np.int32], at: int) -> int:
    first = max(0, at - 500)
    breaks = np.flatnonzero(stream[first : at + 1] <= LAST_NEWLINE)
    return first + int(breaks[-1]) if len(breaks) else first


def indentation_unit(text: str) -> str:
    """Return one step of indentation as ``text`` has it: a tab, or its smallest common number of spaces."""
    found = _INDENTED.findall(text, 0, 20_000)
    if sum("\t" in blank for blank in found) * 2 > len(found):
        return "\t"
    widths = [len(blank) for blank in found if "\t" not in blank]
    for width in (8, 4, 3, 2):
        if widths and sum(value % width == 0 for value in widths) >= 0.9 * len(widths):
            return " " * width
    return "    "


def _with_line(head: Segment, whole: str, indentation: str, cache: SegmentCache) -> Segment:
    """Append the line of the cursor: repeats within one line are common."""
    bare = whole.lstrip()
    lexed = lex(bare, cache.lexicon)
    ids, starts, ends = lexed.ids, lexed.starts + len(head.text), lexed.ends + len(head.text)
    if len(head.ids):
        offset = len(head.text)
        ids = np.concatenate(([newline_token(head, indentation)], ids)).astype(np.int32)
        starts, ends = np.concatenate(([offset], starts)), np.concatenate(([offset], ends))
    return Segment(
        head.text + bare,
        np.concatenate((head.ids, ids)),
        np.concatenate((head.starts, starts)),
        np.concatenate((head.ends, ends)),
        head.stack,
    )


def _window(prefix: str, suffix: str) -> tuple[str, str]:
    """Cut very large files to the neighbourhood of the cursor, at line ends that stay put while the user types."""
    if len(prefix) > _BEFORE:
        start = (len(prefix) - _BEFORE) // _STEP * _STEP
        line_end = prefix.find("\n", start)
        prefix = prefix[line_end + 1 if line_end >= 0 else start :]
    if len(suffix) > _AFTER:
        line_end = suffix.find("\n", _AFTER)
        suffix = suffix[: line_end if 0 <= line_end < 2 * _AFTER else _AFTER]
    return _shorten_line(prefix, suffix)


def _shorten_line(prefix: str, suffix: str) -> tuple[str, str]:
    """Cut a very long line to the neighbourhood of the cursor, in steps, so that the cut stays put during typing."""
    begin = prefix.rfind("\n") + 1
    if (length := len(prefix) - begin) > _LONGEST_LINE:
        prefix = prefix[:begin] + prefix[begin + (length - _LINE_STEP) // _LINE_STEP * _LINE_STEP :]
    end = suffix.find("\n")
    if (length := end if end >= 0 else len(suffix)) > _LONGEST_LINE:
        suffix = suffix[:_LONGEST_LINE] + suffix[length:]
    return prefix, suffix


def _expects_indentation(above: str, below: str) -> bool:
    """Whether a cursor in column 0 of an empty line has yet to be indented."""
    last = above[above.rfind("\n") + 1 :]
    following = below.lstrip("\r\n")
    return last[:1].isspace() or last[-1] in "{:([" or following[:1] in {" ", "\t"}


def _in_comment(line: str, prefix: str) -> bool:
    if _COMMENT.match(line) or _LATE_COMMENT.search(line):
        return True
    return prefix.rfind("/*", -2000) > prefix.rfind("*/", -2000) or prefix.count('"""', -20_000) % 2 == 1


def _in_string(line: str) -> bool:
    return any(line.count(quote) % 2 for quote in "\"'`")
