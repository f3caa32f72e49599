"""The result as a page of its own: figures, plots, where they were measured, and what each of them means."""

from __future__ import annotations
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_page(result: Mapping[str, Any], path: Path) -> None:
    """x."""
