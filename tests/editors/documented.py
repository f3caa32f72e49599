"""What the documents tell users to do, so that what is tried is what is written there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "editors.md").read_text()


def block(heading: str, language: str) -> str:
    """Return the first block of a language under a heading."""
    section = _PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/editors.md has no {language} under {heading}"
    return found[1]


def first_steps(editor: str) -> list[str]:
    """Return the commands and settings of an editor's README between nothing and the first suggestion, in order.

    Commands come without the sign of the shell, settings as they are written.
    """
    text = (_ROOT / "editors" / editor / "README.md").read_text()
    section = text.partition("\n## From nothing to the first suggestion\n")[2].partition("\n## ")[0]
    found = re.findall(r"^( *)```(?:console|lua)\n(.*?)^\1```$", section, re.MULTILINE | re.DOTALL)
    return [re.sub(r"^\$ ", "", textwrap.dedent(block), flags=re.MULTILINE).strip() for _, block in found]


def replaced(text: str, old: str, new: str) -> str:
    """Put ``new`` in the one place of ``old``: what is tried differs from what is written there, and nowhere else."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in\n{text}"
    return text.replace(old, new)
