"""The words of a corpus in sorted order, so that the words starting alike are a range of ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer.corpus.lexer import FIRST_WORD

if TYPE_CHECKING:
    from collections.abc import Sequence


class Vocabulary:
    """Words sorted by their UTF-8 bytes; the id of the i-th is ``FIRST_WORD + i``.

    Args:
        text: All words joined, uint8[bytes].
        offsets: Where each starts, and the end, uint32[words + 1].
    """

    def __init__(self, text: npt.NDArray[np.uint8], offsets: npt.NDArray[Any]) -> None:
        self._text = text.data
        self._offsets = offsets
        self._count = max(0, len(offsets) - 1)
        self.size = FIRST_WORD + self._count
        """One more than the largest id."""

    @staticmethod
    def pack(words: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Return ``text`` and ``offsets`` for words that are sorted already."""
        offsets = np.zeros(len(words) + 1, dtype=np.uint32)
        offsets[1:] = np.cumsum(np.fromiter(map(len, words), dtype=np.int64, count=len(words)))
        return np.frombuffer(b"".join(words), dtype=np.uint8), offsets

    def find(self, word: str) -> int:
        """Return the id of ``word``, or -1."""
        wanted = word.encode("utf-8", "surrogatepass")
        place = self._lower_bound(wanted)
        return FIRST_WORD + place if place < self._count and self._bytes(place) == wanted else -1

    def word(self, identity: int) -> str:
        """Return the word with that id; empty for newlines and boundaries."""
        if identity < FIRST_WORD:
            return ""
        return self._bytes(identity - FIRST_WORD).decode("utf-8", "surrogatepass")

    def prefix_range(self, prefix: str) -> tuple[int, int]:
        """Return the half-open range of ids of the words that start with ``prefix``."""
        wanted = prefix.encode("utf-8", "surrogatepass")
        low = self._lower_bound(wanted)
        # 0xFF never occurs in UTF-8, so this sorts after everything that starts with the prefix.
        return FIRST_WORD + low, FIRST_WORD + self._lower_bound(wanted + b"\xff")

    def lengths(self) -> npt.NDArray[np.int64]:
        """Return the bytes of each word by id; int64[size], 0 below ``FIRST_WORD``."""
        lengths = np.zeros(self.size, dtype=np.int64)
        lengths[FIRST_WORD:] = np.diff(self._offsets.astype(np.int64))
        return lengths

    def byte_length(self, identity: int) -> int:
        """Return the UTF-8 bytes of one word."""
        if identity < FIRST_WORD:
            return 0
        place = identity - FIRST_WORD
        return int(self._offsets.item(place + 1)) - int(self._offsets.item(place))

    def _bytes(self, place: int) -> bytes:
        return bytes(self._text[self._offsets.item(place) : self._offsets.item(place + 1)])

    def _lower_bound(self, wanted: bytes) -> int:
        low, high = 0, self._count
        offset, text = self._offsets.item, self._text
        while low < high:
            middle = (low + high) // 2
            if bytes(text[offset(middle) : offset(middle + 1)]) < wanted:
                low = middle + 1
            else:
                high = middle
        return low
