"""Configurations as ``docs/editors.md`` has them, so that what is tried is what is written there."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = (Path(__file__).parents[2] / "docs" / "editors.md").read_text()


def block(heading: str, language: str) -> str:
    """Return the first block of a language under a heading."""
    section = _PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/editors.md has no {language} under {heading}"
    return found[1]


def replaced(text: str, old: str, new: str) -> str:
    """Put ``new`` in the one place of ``old``: what is tried differs from what is written there, and nowhere else."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in\n{text}"
    return text.replace(old, new)
