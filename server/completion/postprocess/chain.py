"""The steps in their order."""

from __future__ import annotations

from server.completion.postprocess.clean import (
    drop_markers,
    fit_indentation,
    restore_line_ends,
    trim_blanks,
    unify_line_ends,
)
from server.completion.postprocess.cursor import Cursor
from server.completion.postprocess.draft import Draft, Step
from server.completion.postprocess.extent import end_of_extent
from server.completion.postprocess.overlap import (
    balance_brackets,
    drop_following_lines,
    drop_repeated_lines,
    drop_rest_of_line,
)

STEPS: tuple[Step, ...] = (
    drop_markers,
    unify_line_ends,
    fit_indentation,
    end_of_extent,
    balance_brackets,
    drop_rest_of_line,
    drop_following_lines,
    drop_repeated_lines,
    trim_blanks,
    restore_line_ends,
)


def settle(text: str, cursor: Cursor, *, final: bool) -> Draft:
    """Turn what an engine wrote so far into what may be shown.

    For growing ``text`` with ``final=False`` each answer's text begins with the one before it. The last call, with
    ``final=True`` or the first complete one, may take back part of the end or, for a suggestion withdrawn, everything.
    """
    draft = Draft(text, final=final)
    for step in STEPS:
        draft = step(draft, cursor)
    return draft
