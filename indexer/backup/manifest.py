"""The list of what is in a backup: sizes, digests, versions. It is the first file that is read and the last written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from indexer.errors import BackupError

MANIFEST = "manifest.json"
CONFIGURATION = "hearth.toml"
"""The configuration that was in force, for whoever restores; it is not put back by itself."""
FORMAT = 1
MOST_BYTES = 64_000_000
"""No manifest is larger: it has a line for each file of the index."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup has.

    Attributes:
        hearth: Version of the Hearth that made it.
        made: When, in UTC (ISO 8601).
        index: Whether it has the index.
        schemas: Version of the tables of each database.
        files: Path in the backup → (bytes, SHA-256 as hexadecimal digits).
    """

    hearth: str
    made: str
    index: bool
    schemas: Mapping[str, int]
    files: Mapping[str, tuple[int, str]]

    def to_json(self) -> bytes:
        """Write it down."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Manifest:
        """Read it; ``where`` says what, for messages.

        Raises:
            BackupError: It is none, or one of a newer Hearth, or names files that do not belong into a backup.
        """
        try:
            value = json.loads(data)
            if value["format"] > FORMAT:
                raise BackupError(
                    f"{where} was made by Hearth {value['hearth']}, in a form that this Hearth does not know",
                    advice="Restore it with that Hearth or a newer one.",
                )
            return _checked(value)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackupError(
                f"{where} is not a backup of Hearth: its {MANIFEST} cannot be read",
                advice="Name a directory or an archive that `hearth backup` made.",
            ) from error


def _checked(value: Any) -> Manifest:
    files = {path: (int(size), str(digest)) for path, (size, digest) in value["files"].items()}
    for path in files:
        parts = PurePosixPath(path).parts
        if not parts or path != "/".join(parts) or ".." in parts or parts[0] == "/" or "\0" in path:
            raise ValueError(path)
    schemas = {str(name): int(version) for name, version in value["schemas"].items()}
    return Manifest(str(value["hearth"]), str(value["made"]), bool(value["index"]), schemas, files)
