"""Settings of the indexer: the table ``[index]`` of ``hearth.toml``, one frozen class with defaults and bounds."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from attrs import asdict, field, fields, frozen, validators

_T = TypeVar("_T")


def _setting(default: _T, help_: str, low: float, high: float, *, shapes_blobs: bool = False) -> _T:
    """One documented field. ``shapes_blobs`` marks what changes the processing of a single blob."""
    check: Any = validators.and_(validators.ge(low), validators.le(high))
    return field(default=default, validator=check, metadata={"help": help_, "shapes_blobs": shapes_blobs})


@frozen
class IndexConfig:
    """How repositories are read, cut and stored."""

    max_file_bytes: int = _setting(
        1_000_000, "Files larger than this are left out, in bytes.", 1_000, 100_000_000, shapes_blobs=True
    )
    batch_files: int = _setting(
        256, "Files that become durable together; a killed run starts again after the last batch.", 1, 100_000
    )
    batch_bytes: int = _setting(
        4_000_000, "Source text that becomes durable together, in bytes; bounds memory.", 10_000, 1_000_000_000
    )
    history_timeout_ms: int = _setting(
        2_000, "How long to wait for git when asked for the history of some lines, in milliseconds.", 50, 60_000
    )

    def options_digest(self, *parts: str) -> str:
        """Name the way a blob is processed, as 16 hexadecimal digits.

        Derived from all fields that shape blobs and from ``parts`` (versions of parser, chunker and embedder): blobs
        stored under another digest are processed again.
        """
        names = {attribute.name for attribute in fields(IndexConfig) if attribute.metadata["shapes_blobs"]}
        values = {name: value for name, value in asdict(self).items() if name in names}
        text = json.dumps([values, parts], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
