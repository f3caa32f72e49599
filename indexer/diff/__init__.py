"""What a git repository holds and what changed in it."""

from __future__ import annotations

from indexer.diff.history import line_history
from indexer.diff.ignore import IGNORE_FILE, IgnoreRules
from indexer.diff.mirror import is_url, open_source, public_url
from indexer.diff.paths import file_path_text, path_text
from indexer.diff.source import MISSING_SIZE, GitSource

__all__ = [
    "IGNORE_FILE",
    "MISSING_SIZE",
    "GitSource",
    "IgnoreRules",
    "file_path_text",
    "is_url",
    "line_history",
    "open_source",
    "path_text",
    "public_url",
]
