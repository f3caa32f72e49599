"""The table of the static embedder: int8 rows with one scale each, a quarter of float32 in memory and on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.embed.protocol import Vectors
from indexer.embed.terms import TERMS_REVISION


@dataclass(frozen=True, slots=True, eq=False)
class StaticTable:
    """Terms and their vectors.

    Attributes:
        vocabulary: The terms of the first rows. All other terms share the rows after them, the buckets, by hash.
        rows: int8 of shape ``(len(vocabulary) + buckets, dimensions)``, with at least one bucket.
        scale: float32 of shape ``(len(rows),)``; ``scale[i] * rows[i]`` is the vector of row ``i``.
    """

    vocabulary: tuple[str, ...]
    rows: NDArray[np.int8]
    scale: NDArray[np.float32]

    def __post_init__(self) -> None:
        if len(self.rows) <= len(self.vocabulary) or len(self.scale) != len(self.rows):
            raise ValueError("a table needs a scale for each row, and rows for terms outside its vocabulary")

    @classmethod
    def quantise(cls, vocabulary: Sequence[str], vectors: Vectors) -> StaticTable:
        """Round float32 vectors of shape ``(len(vocabulary) + buckets, dimensions)`` to 8 bits."""
        scale = np.maximum(np.abs(vectors).max(axis=1), 1e-12) / 127.0
        rows = np.rint(vectors / scale[:, None]).astype(np.int8)
        return cls(tuple(vocabulary), rows, scale.astype(np.float32))

    @classmethod
    def load(cls, path: Path) -> StaticTable:
        """Read a file written by :meth:`save`."""
        with np.load(path, allow_pickle=False) as stored:
            vocabulary = stored["vocabulary"].tobytes().decode().split("\n")
            return cls(tuple(vocabulary), stored["rows"], stored["scale"])

    def save(self, path: Path) -> None:
        """Write an uncompressed ``.npz``.

        It must load in milliseconds; packages and git compress it on their own.
        """
        words = np.frombuffer("\n".join(self.vocabulary).encode(), np.uint8)
        np.savez(path, rows=self.rows, scale=self.scale, vocabulary=words)

    @property
    def version(self) -> str:
        """A fingerprint of everything that a vector depends on: rows, vocabulary and how terms are cut."""
        digest = hashlib.sha256(f"{TERMS_REVISION}:{self.rows.shape}:{len(self.vocabulary)}\n".encode())
        digest.update("\n".join(self.vocabulary).encode())
        digest.update(np.ascontiguousarray(self.rows).data)
        digest.update(np.ascontiguousarray(self.scale).data)
        return f"static-{digest.hexdigest()[:16]}"
