"""Explanations and hovers: facts from the index, each with a citation that exists."""

from server.explain.explainer import Explainer, ExplanationStream
from server.explain.hover import Hover, HoverTarget, hover_at
from server.explain.values import ExplainTarget, Explanation, NumberedCitation

__all__ = [
    "ExplainTarget",
    "Explainer",
    "Explanation",
    "ExplanationStream",
    "Hover",
    "HoverTarget",
    "NumberedCitation",
    "hover_at",
]
