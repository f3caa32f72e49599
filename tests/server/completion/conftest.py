"""What all tests of suggestions share."""

from __future__ import annotations

import pytest

from indexer.parse import growing


@pytest.fixture(autouse=True)
def time_to_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no text count as one that takes too long to parse because the machine is busy."""
    monkeypatch.setattr(growing, "STEP_SECONDS", 5.0)
