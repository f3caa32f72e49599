"""An embedder without a model: each term has a learned vector, and a text is the weighted sum of its terms."""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.embed.bags import count_rows
from indexer.embed.protocol import Vectors
from indexer.embed.terms import MAX_TEXT_CHARACTERS, TERMS_REVISION, find_words, terms_of

_BATCH_CHUNKS = 64
_MAX_CACHED_WORDS = 200_000


class StaticEmbedder:
    """Looks terms up in a table and adds their rows, each weighted by ``1 + ln(occurrences)``.

    The length of a row is the learned weight of its term. A term outside the vocabulary takes one of the table's
    last rows, by hash, so that two texts which share a rare name still meet.

    Args:
        vocabulary: The terms of the first rows of ``table``, in their order.
        table: float32 of shape ``(len(vocabulary) + buckets, dimensions)`` with at least one bucket.
    """

    name = "static"

    def __init__(self, vocabulary: Sequence[str], table: Vectors) -> None:
        if len(table) <= len(vocabulary):
            raise ValueError("the table has no rows for terms outside the vocabulary")
        self._table = table
        self._rows = _RowsOfWords(vocabulary, len(table))
        self.version = _fingerprint(vocabulary, table)

    @classmethod
    def untrained(cls, *, buckets: int = 16_384, dimensions: int = 256, seed: int = 0) -> StaticEmbedder:
        """Make an embedder that knows no word: random vectors by hash, the baseline that training must beat."""
        generator = np.random.default_rng(seed)
        return cls((), generator.standard_normal((buckets, dimensions), dtype=np.float32))

    @property
    def dimensions(self) -> int:
        """Length of each vector."""
        return int(self._table.shape[1])

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
        """Write the vectors of a few texts into ``out``."""
        row_of = self._rows.__getitem__
        packed = [b"".join(map(row_of, find_words(text[:MAX_TEXT_CHARACTERS]))) for text in texts]
        counts = np.array([len(rows) // 4 for rows in packed], np.int64)
        bags = count_rows(np.frombuffer(b"".join(packed), np.int32), counts, len(self._table))
        for text, (start, end) in enumerate(itertools.pairwise(bags.bounds)):
            if start < end:
                total = bags.weights[start:end] @ self._table[bags.rows[start:end]]
                norm = float(np.sqrt(total @ total))
                if norm > 0.0:
                    out[text] = total / norm


class _RowsOfWords(dict[str, bytes]):
    """A cache from a word as written to the rows of its terms, packed as native int32.

    Packed rows of a whole text are joined without touching each number in Python. Threads may fill it at the
    same time: they would store equal values.
    """

    def __init__(self, vocabulary: Sequence[str], table_rows: int) -> None:
        super().__init__()
        self._vocabulary = {term: row for row, term in enumerate(vocabulary)}
        self._buckets = table_rows - len(vocabulary)

    def __missing__(self, word: str) -> bytes:
        if len(self) >= _MAX_CACHED_WORDS:
            self.clear()
        rows = np.array([self._row(term) for term in terms_of(word)], np.int32).tobytes()
        self[word] = rows
        return rows

    def _row(self, term: str) -> int:
        row = self._vocabulary.get(term)
        if row is None:
            row = len(self._vocabulary) + zlib.crc32(term.encode()) % self._buckets
        return row


def _fingerprint(vocabulary: Sequence[str], table: NDArray[np.float32]) -> str:
    digest = hashlib.sha256(f"static:{TERMS_REVISION}:{table.shape}\n".encode())
    digest.update("\n".join(vocabulary).encode())
    digest.update(np.ascontiguousarray(table).data)
    return f"static-{digest.hexdigest()[:16]}"
