"""Backups of a data directory: made while it is in use, verified, and put back onto an empty machine."""

from __future__ import annotations

from indexer.backup.index_parts import INDEXER_PARTS
from indexer.backup.manifest import CONFIGURATION, Manifest
from indexer.backup.parts import Keeping, Part, PartKind, part_of
from indexer.backup.restoring import Restored, restore
from indexer.backup.view import view_index
from indexer.backup.writing import Backup, write_backup

__all__ = [
    "CONFIGURATION",
    "INDEXER_PARTS",
    "Backup",
    "Keeping",
    "Manifest",
    "Part",
    "PartKind",
    "Restored",
    "part_of",
    "restore",
    "view_index",
    "write_backup",
]
