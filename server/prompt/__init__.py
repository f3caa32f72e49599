"""Prompts: how code around a cursor and facts about code are laid out for a model."""

from server.prompt.explanation import explanation_messages
from server.prompt.formats import FimFormat, FormatRegistry, ModelKind
from server.prompt.render import Budget, estimate_tokens, render

__all__ = [
    "Budget",
    "FimFormat",
    "FormatRegistry",
    "ModelKind",
    "estimate_tokens",
    "explanation_messages",
    "render",
]
