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

EXTENT: tuple[Step, ...] = (drop_markers, unify_line_ends, fit_indentation, end_of_extent)
"""Make it code of this file, and end it where the place that it was asked for ends."""
SURROUNDINGS: tuple[Step, ...] = (
    balance_brackets,
    drop_rest_of_line,
    drop_following_lines,
    drop_repeated_lines,
    trim_blanks,
    restore_line_ends,
)
"""Make it fit what stands around the cursor, which may have moved along the suggestion meanwhile."""
STEPS: tuple[Step, ...] = (*EXTENT, *SURROUNDINGS)


def settle(text: str, cursor: Cursor, *, final: bool) -> Draft:
    """Turn what an engine wrote so far into what may be shown.

    For growing ``text`` with ``final=False`` each answer's text begins with the one before it. The last call, with
    ``final=True`` or the first complete one, may take back part of the end or, for a suggestion withdrawn, everything.
    """
    return fit(limit(text, cursor, final=final), cursor)


def limit(text: str, cursor: Cursor, *, final: bool) -> Draft:
    r"""Apply the first half of :func:`settle`: what the engine has to say at ``cursor``, with ``\n`` as line end."""
    return _apply(EXTENT, Draft(text, final=final), cursor)


def fit(draft: Draft, cursor: Cursor) -> Draft:
    """Apply the second half of :func:`settle`: what of ``draft`` may be shown at ``cursor``."""
    return _apply(SURROUNDINGS, draft, cursor)


def _apply(steps: tuple[Step, ...], draft: Draft, cursor: Cursor) -> Draft:
    for step in steps:
        draft = step(draft, cursor)
    return draft
