"""File names as text: git stores bytes, everything above needs strings that SQLite, JSON and editors accept."""

from __future__ import annotations

import os


def path_text(raw: bytes) -> str:
    r"""Return ``raw`` as text; bytes that are not UTF-8 become ``\xNN``, so that the text is always valid Unicode."""
    return raw.decode("utf-8", "backslashreplace")


def file_path_text(path: str) -> str:
    r"""Return a path of this machine's file system as :func:`path_text` spells it."""
    return path_text(os.fsencode(path))
