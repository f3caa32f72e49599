"""Steps that take out what is not code of this file: special tokens, foreign line ends and indentation, blanks."""

from __future__ import annotations

import re

from server.completion.postprocess.cursor import Cursor
from server.completion.postprocess.draft import Draft
from server.completion.postprocess.markers import begun_marker, first_marker
from server.completion.postprocess.opening import opens_block

_LEADING = re.compile(r"[ \t]*")


def drop_markers(draft: Draft, cursor: Cursor) -> Draft:
    """End at the first leaked special token; hold back an end that may become one."""
    text = draft.text
    first = first_marker(text, cursor.mentions)
    if first >= 0:
        return draft.cut(first)
    if draft.settled:
        return draft
    return draft.hold(len(text) - begun_marker(text, cursor.mentions))


def unify_line_ends(draft: Draft, cursor: Cursor) -> Draft:
    r"""Make every line end ``\n``; the file's own is put back by :func:`restore_line_ends`."""
    text = draft.text
    if not draft.settled and text.endswith("\r"):
        text = text[:-1]
    return draft.with_text(text.replace("\r\n", "\n").replace("\r", "\n"))


def fit_indentation(draft: Draft, cursor: Cursor) -> Draft:
    """Indent with tabs or spaces as the file does."""
    lines = draft.text.split("\n")
    first = 0 if not cursor.line_before.strip() else 1
    if not any(line.startswith((" ", "\t")) for line in lines[first:]) or cursor.tabs is None:
        return draft
    if not draft.settled and len(lines) > 1 and not lines[-1].strip():
        lines[-1] = ""  # Its indentation is still growing.
    unit = _unit_of(lines, first, cursor) if cursor.tabs else cursor.indent_width
    for number in range(first, len(lines)):
        blank = _LEADING.match(lines[number])
        indent = blank.group() if blank else ""
        lines[number] = _convert(indent, unit, tabs=cursor.tabs) + lines[number][len(indent) :]
    return draft.with_text("\n".join(lines))


def trim_blanks(draft: Draft, cursor: Cursor) -> Draft:
    """Drop blanks at the end, and suggestions that are nothing else."""
    text = draft.text
    if not text.strip():
        return draft.with_text("")
    if draft.settled and cursor.rest:
        # A space before what follows on the line is part of the suggestion.
        return draft.with_text(text.rstrip("\n"))
    return draft.with_text(text.rstrip())


def restore_line_ends(draft: Draft, cursor: Cursor) -> Draft:
    """Give lines the end that the file uses."""
    return draft if cursor.eol == "\n" else draft.with_text(draft.text.replace("\n", cursor.eol))


def _unit_of(lines: list[str], first: int, cursor: Cursor) -> int:
    """Columns of one level in text indented with spaces, told by its first indented line."""
    opened = len(lines) > 1 and opens_block(cursor.line_before + lines[0], cursor.language)
    # What a first line opens is further in than that line is, which stands where the cursor does.
    least = len(cursor.line_before) - len(cursor.line_before.lstrip("\t")) + 1 if opened else 0
    for line in lines[first:]:
        spaces = len(line) - len(line.lstrip(" "))
        if spaces and line.strip():
            fitting = (unit for unit in (4, 2, 3, spaces) if spaces % unit == 0 and spaces // unit >= least)
            return next(fitting, spaces)
    return 4


def _convert(indent: str, unit: int, *, tabs: bool) -> str:
    if not tabs:
        return indent.replace("\t", " " * unit)
    columns = len(indent.expandtabs(unit))
    return "\t" * (columns // unit) + " " * (columns % unit)
