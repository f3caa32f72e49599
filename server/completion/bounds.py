"""How much is wanted at a cursor: one line or several, and how many tokens that may take."""

from __future__ import annotations

from dataclasses import replace

from server.completion.postprocess import wants_several_lines
from server.config import CompletionConfig
from server.types import CompletionRequest

_NEAR = 4_000
"""Characters on either side of the cursor whose lines tell how long lines are here."""
_BYTES_PER_TOKEN = 2
"""Fewer than tokens of code have: what is right is not cut short."""


def bounded(request: CompletionRequest, config: CompletionConfig) -> CompletionRequest:
    """Return the request with its extent, and with the most tokens that a model may write for it.

    Inside a line these are ``line_tokens``, or as many as the longest line near it would take from the cursor's column
    on: a model that goes on without a line end is stopped there.
    """
    line_before = request.prefix[request.prefix.rfind("\n") + 1 :]
    line_after = request.suffix.partition("\n")[0]
    if config.multiline and wants_several_lines(line_before, line_after, request.language):
        return replace(request, multiline=True, max_tokens=config.max_tokens)
    near = request.prefix[-_NEAR:].split("\n")[:-1] + request.suffix[:_NEAR].split("\n")[1:]
    rest = max((len(line.encode(errors="replace")) for line in near), default=0) - len(line_before)
    tokens = max(config.line_tokens, rest // _BYTES_PER_TOKEN)
    return replace(request, multiline=False, max_tokens=min(config.max_tokens, tokens))
