"""Texts as bags of table rows: what the embedder sums and the trainer differentiates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Bags:
    """The distinct rows of several texts, one text after the other.

    ``rows`` int64 and ``weights`` float32 of shape ``(entries,)``; text ``i`` owns ``bounds[i]:bounds[i + 1]``.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float32]
    bounds: NDArray[np.int64]

    @property
    def texts(self) -> NDArray[np.int64]:
        """The text of each entry, int64 of shape ``(entries,)``."""
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))


def count_rows(rows: NDArray[np.int32] | NDArray[np.int64], counts: NDArray[np.int64], table_rows: int) -> Bags:
    """Merge equal rows of a text into one entry of weight ``1 + ln(occurrences)``.

    Args:
        rows: Rows of all occurrences, text after text.
        counts: Occurrences of each text, int64 of shape ``(texts,)``.
        table_rows: Rows of the table that ``rows`` point into.
    """
    texts = len(counts)
    if not len(rows):
        return Bags(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(texts + 1, np.int64))
    keys = np.repeat(np.arange(texts, dtype=np.int64) * table_rows, counts) + rows
    keys.sort()
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    occurrences = np.diff(np.append(first, len(keys)))
    keys = keys[first]
    bounds = np.searchsorted(keys, np.arange(texts + 1, dtype=np.int64) * table_rows)
    return Bags(keys % table_rows, (1.0 + np.log(occurrences)).astype(np.float32), bounds)
