"""Prompts: how code around a cursor and facts about code are laid out for a model."""

from server.prompt.explanation import explanation_messages
from server.prompt.formats import Commercial, FimFormat, ModelKind
from server.prompt.media import estimate_tokens
from server.prompt.models import ModelPrompts
from server.prompt.registry import FormatRegistry
from server.prompt.render import Budget, render

__all__ = [
    "Budget",
    "Commercial",
    "FimFormat",
    "FormatRegistry",
    "ModelKind",
    "ModelPrompts",
    "estimate_tokens",
    "explanation_messages",
    "render",
]
