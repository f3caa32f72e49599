"""What is given up when time is over is not given up here, unless a test is about that."""

from __future__ import annotations

from functools import partial

import pytest

from server.config import CompletionConfig, ContextConfig
from tests.patience import WAIT_SECONDS


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, context comes in time, and the request behind a key does."""
    monkeypatch.setattr("server.completion.service.CompletionConfig", partial(CompletionConfig, deadline_ms=600_000))
    monkeypatch.setattr("server.completion.service.ContextConfig", partial(ContextConfig, deadline_ms=10_000))
    monkeypatch.setattr("server.completion.running.TYPING_GRACE_SECONDS", WAIT_SECONDS)
