"""What a git repository holds and what changed in it."""

from __future__ import annotations

from indexer.diff.access import check_url
from indexer.diff.distance import Distances
from indexer.diff.history import line_history
from indexer.diff.ignore import IGNORE_FILE, IgnoreRules
from indexer.diff.mirror import is_url, mirror_path, open_source, public_url, url_name
from indexer.diff.paths import file_path_text, path_text
from indexer.diff.source import MISSING_SIZE, GitSource

__all__ = [
    "IGNORE_FILE",
    "MISSING_SIZE",
    "Distances",
    "GitSource",
    "IgnoreRules",
    "check_url",
    "file_path_text",
    "is_url",
    "line_history",
    "mirror_path",
    "open_source",
    "path_text",
    "public_url",
    "url_name",
]
