"""Turns what an engine writes into what a user sees: pure steps, each safe to run on a stream's beginning."""

from server.completion.postprocess.chain import STEPS, fit, limit, settle
from server.completion.postprocess.cursor import Cursor, cursor_of
from server.completion.postprocess.draft import Draft, Step
from server.completion.postprocess.extent import wants_several_lines

__all__ = [
    "STEPS",
    "Cursor",
    "Draft",
    "Step",
    "cursor_of",
    "fit",
    "limit",
    "settle",
    "wants_several_lines",
]
