"""Hashes of how lines go on, so that equal continuations are counted without reading them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indexer.corpus.lexer import LAST_NEWLINE

FACTOR = 1_000_003
"""``key(i) = token(i + 1) + 1 + FACTOR * key(i + 1)`` modulo 2³², 0 where nothing follows on the line."""
LONGEST = 255
_BLOCK = 1 << 20


def hash_rests(tokens: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """Return a hash and the size, in tokens, of what follows each token on its line; uint32[n], uint8[n].

    Of lines longer than 255 tokens only that many before the end are told apart.
    """
    keys = np.zeros(len(tokens), dtype=np.uint32)
    sizes = np.zeros(len(tokens), dtype=np.uint8)
    begin = 0
    while begin < len(tokens):
        end = min(len(tokens), begin + _BLOCK)
        if end < len(tokens):
            # A block ends where a line does; one without any line end is taken as if it had one.
            breaks = np.flatnonzero(tokens[begin:end] <= LAST_NEWLINE)
            end = begin + int(breaks[-1]) if len(breaks) and breaks[-1] else end
        keys[begin:end], sizes[begin:end] = _hash_block(tokens[begin:end])
        begin = end
    return keys, sizes


def _hash_block(tokens: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    size = len(tokens)
    ends = np.append(np.flatnonzero(tokens <= LAST_NEWLINE), size)
    places = np.arange(size, dtype=np.int64)
    distances = np.minimum(ends[np.searchsorted(ends, places, side="right")] - places - 1, LONGEST).astype(np.uint8)
    keys = np.zeros(size, dtype=np.uint32)
    order = np.argsort(distances, kind="stable")
    bounds = np.searchsorted(distances[order], np.arange(LONGEST + 2))
    for distance in range(1, LONGEST):
        rows = order[bounds[distance] : bounds[distance + 1]]
        if len(rows):
            keys[rows] = keys[rows + 1] * np.uint32(FACTOR) + (tokens[rows + 1] + 1).astype(np.uint32)
    return keys, distances
