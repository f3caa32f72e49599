"""An embedder without a model: each term has a learned vector, and a text is the weighted sum of its terms."""

from __future__ import annotations

import itertools
import zlib
from array import array
from collections.abc import Sequence

import numpy as np

from indexer.embed.bags import count_rows
from indexer.embed.protocol import Vectors
from indexer.embed.table import StaticTable
from indexer.embed.terms import MAX_TEXT_CHARACTERS, terms_of, words_of

_BATCH_CHUNKS = 64
_MAX_CACHED_WORDS = 200_000


class StaticEmbedder:
    """Looks terms up in a table and adds their rows, each weighted by ``1 + ln(occurrences)``.

    The length of a row is the learned weight of its term. A term outside the vocabulary takes one of the table's
    buckets, so that two texts which share a rare name still meet.
    """

    name = "static"

    def __init__(self, table: StaticTable) -> None:
        self._table = table
        self._rows = _RowsOfWords(table)
        self.version = table.version

    @classmethod
    def untrained(cls, *, buckets: int = 16_384, dimensions: int = 256, seed: int = 0) -> StaticEmbedder:
        """Make an embedder that knows no word: random vectors by hash, the baseline that training must beat."""
        generator = np.random.default_rng(seed)
        return cls(StaticTable.quantise((), generator.standard_normal((buckets, dimensions), dtype=np.float32)))

    @property
    def dimensions(self) -> int:
        """Length of each vector."""
        return int(self._table.rows.shape[1])

    def embed_chunks(self, texts: Sequence[str]) -> Vectors:
        """Embed the texts of chunks: float32 ``(len(texts), dimensions)``, rows of length 1 or 0."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _BATCH_CHUNKS):
            self._embed_batch(texts[start : start + _BATCH_CHUNKS], vectors[start : start + _BATCH_CHUNKS])
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """Embed one query: float32 ``(dimensions,)`` of length 1 or 0."""
        return np.asarray(self.embed_chunks([text])[0], np.float32)

    def _embed_batch(self, texts: Sequence[str], out: Vectors) -> None:
        """Write the vectors of a few texts into ``out``, which holds zeros."""
        rows_of = self._rows.__getitem__
        packed = [b"".join(map(rows_of, words_of(text[:MAX_TEXT_CHARACTERS]))) for text in texts]
        counts = np.array([len(rows) // 4 for rows in packed], np.int64)
        bags = count_rows(np.frombuffer(b"".join(packed), np.int32), counts, len(self._table.rows))
        weights = bags.weights * self._table.scale[bags.rows]
        take = self._table.rows.take
        for text, (start, end) in enumerate(itertools.pairwise(bags.bounds.tolist())):
            if start < end:
                total = weights[start:end] @ take(bags.rows[start:end], axis=0).astype(np.float32)
                norm = float(np.sqrt(total @ total))
                if norm > 0.0:
                    out[text] = total / norm


class _RowsOfWords(dict[str, bytes]):
    """A cache from a word as written to the rows of its terms, packed as native int32.

    Packed rows of a whole text are joined without touching each number in Python. Threads may fill it at the
    same time: they would store equal values.
    """

    def __init__(self, table: StaticTable) -> None:
        super().__init__()
        self._row_of_term = {term: row for row, term in enumerate(table.vocabulary)}
        self._buckets = len(table.rows) - len(table.vocabulary)

    def __missing__(self, word: str) -> bytes:
        if len(self) >= _MAX_CACHED_WORDS:
            self.clear()
        rows = array("i", map(self._row, terms_of(word))).tobytes()
        self[word] = rows
        return rows

    def _row(self, term: str) -> int:
        row = self._row_of_term.get(term)
        if row is None:
            row = len(self._row_of_term) + zlib.crc32(term.encode()) % self._buckets
        return row
