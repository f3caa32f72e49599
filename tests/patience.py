"""How long tests wait for what must come: a machine that runs them may stand still for many seconds.

A test that fails waits for so long; one that passes goes on at once. What must *not* wait is shown by what happened
meanwhile, never by how long it took.
"""

from __future__ import annotations

from typing import Any

WAIT_SECONDS = 120.0
MODEL_LIMITS: dict[str, Any] = {
    "connect_seconds": 60.0,
    "first_token_seconds": 600.0,
    "explain_first_token_seconds": 600.0,
    "between_tokens_seconds": 600.0,
    "total_seconds": 600.0,
    "explain_total_seconds": 600.0,
}
"""Settings for a model server that is given all the time it needs."""

PATIENT = """[completion]
deadline_ms = 600000
[context]
deadline_ms = 10000
"""
"""Sections of a ``hearth.toml`` for editors that are: what a test waits for is neither given up nor left out."""


def patient_model(url: str) -> str:
    """Return a section of a ``hearth.toml`` for a model server that is given all the time it needs."""
    return f'[engine.vllm]\nurl = "{url}"\n{model_limits()}'


def model_limits() -> str:
    """Return ``MODEL_LIMITS`` as lines of that section."""
    return "".join(f"{name} = {seconds}\n" for name, seconds in MODEL_LIMITS.items())
