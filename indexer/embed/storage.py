"""The file that a trained table is kept in: int8 rows with one scale each, about a quarter of float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.embed.protocol import Vectors


def save_table(path: Path, vocabulary: Sequence[str], table: Vectors) -> None:
    """Write a table of float32 ``(len(vocabulary) + buckets, dimensions)`` as an uncompressed ``.npz``.

    It is left uncompressed because it must load in milliseconds; packages and git compress it on their own.
    """
    scale = np.maximum(np.abs(table).max(axis=1), 1e-12) / 127.0
    np.savez(
        path,
        rows=np.rint(table / scale[:, None]).astype(np.int8),
        scale=scale.astype(np.float32),
        vocabulary=np.frombuffer("\n".join(vocabulary).encode(), np.uint8),
    )


def load_table(path: Path) -> tuple[list[str], Vectors]:
    """Read a file written by :func:`save_table`.

    Returns:
        The vocabulary in the order of its rows, and the table as float32.
    """
    with np.load(path, allow_pickle=False) as stored:
        table = stored["rows"] * stored["scale"][:, None]
        vocabulary = stored["vocabulary"].tobytes().decode().split("\n")
    return vocabulary, np.asarray(table, np.float32)
