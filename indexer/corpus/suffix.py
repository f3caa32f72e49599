"""Suffix arrays over reversed token sequences: all places whose left context ends alike stand side by side."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

_BLOCK = 1 << 22
_DEPTH_OF_FALLBACK = 64
"""Tokens of context that the slower sort tells apart; deeper ties stay in any order."""


def sort_contexts(tokens: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return every index of ``tokens`` (unsigned or int32 [n]), ordered by the context that ends there, read backwards.

    libdivsufsort does it when its wheel works on this machine, numpy by prefix doubling otherwise.
    """
    if not len(tokens):
        return np.empty(0, dtype=np.int32)
    reversed_tokens = tokens[::-1]
    try:
        # Its wheel may be missing on a platform, and so may the shared library in it.
        divsufsort = import_module("pydivsufsort").divsufsort
    except (ImportError, OSError) as error:
        _log.warning("pydivsufsort cannot be used (%s); the corpus is sorted by numpy, which is slower", error)
        ranks = _sort_by_doubling(reversed_tokens)
    else:
        ranks = _sort_bytes(reversed_tokens, divsufsort)
    np.subtract(len(tokens) - 1, ranks, out=ranks)
    return ranks.astype(np.int32, copy=False)


def _sort_bytes(tokens: npt.NDArray[Any], divsufsort: Any) -> npt.NDArray[Any]:
    """Sort big-endian bytes of the tokens, as few of them as the largest token needs, and keep the whole ones."""
    width = max(1, (int(tokens.max()).bit_length() + 7) // 8)
    spelled = np.empty((len(tokens), width), dtype=np.uint8)
    for place in range(width):
        spelled[:, place] = (tokens >> (8 * (width - 1 - place))) & 0xFF
    order = divsufsort(spelled.reshape(-1))
    del spelled
    whole = np.empty(len(tokens), dtype=order.dtype)
    filled = 0
    # In blocks, since a mask and a quotient of everything would double the memory.
    for begin in range(0, len(order), _BLOCK):
        block = order[begin : begin + _BLOCK]
        block = block[block % width == 0] // width
        whole[filled : filled + len(block)] = block
        filled += len(block)
    return whole


def _sort_by_doubling(tokens: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Manber and Myers' prefix doubling, stopped at the depth that a query can use."""
    rank = np.unique(tokens, return_inverse=True)[1].astype(np.int64)
    order = np.argsort(rank, kind="stable")
    step = 1
    while step < _DEPTH_OF_FALLBACK:
        following = np.full(len(rank), -1, dtype=np.int64)
        following[:-step] = rank[step:] if step < len(rank) else following[:-step]
        key = rank * (len(rank) + 1) + following + 1
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        rank = np.empty_like(rank)
        rank[order] = np.concatenate(([0], np.cumsum(ordered[1:] != ordered[:-1])))
        if int(rank[order[-1]]) == len(rank) - 1:
            break
        step *= 2
    return order


@dataclass(frozen=True, slots=True)
class Span:
    """Rows ``low..high`` (half-open) of a suffix array whose last ``depth`` tokens are the context's."""

    depth: int
    low: int
    high: int

    @property
    def size(self) -> int:
        """How many places."""
        return self.high - self.low


def narrow(
    order: npt.NDArray[np.int32],
    tokens: npt.NDArray[Any],
    bounds: npt.NDArray[Any],
    context: Sequence[int],
    enough: int,
) -> list[Span]:
    """Find the places that share the end of ``context``, one more token at a time, until few are left.

    Args:
        order: The suffix array.
        tokens: What it orders.
        bounds: ``bounds[t]..bounds[t + 1]`` are the rows of the places whose last token is ``t``.
        context: Token ids, the nearest last.
        enough: Stop when at most this many places are left.

    Returns:
        The spans found, shallowest first; empty when even the last token never occurs.
    """
    if not context or not 0 <= context[-1] < len(bounds) - 1:
        return []
    low, high = int(bounds[context[-1]]), int(bounds[context[-1] + 1])
    spans: list[Span] = []
    depth = 1
    row, token = order.item, tokens.item
    while high > low:
        spans.append(Span(depth, low, high))
        if high - low <= enough or depth >= len(context):
            break
        wanted = context[-1 - depth]
        end = high
        # Within a span the places are ordered by the token one step further back.
        first, last = low, end
        while first < last:
            middle = (first + last) // 2
            place = row(middle) - depth
            if (token(place) if place >= 0 else -1) < wanted:
                first = middle + 1
            else:
                last = middle
        low, last = first, end
        while first < last:
            middle = (first + last) // 2
            place = row(middle) - depth
            if (token(place) if place >= 0 else -1) <= wanted:
                first = middle + 1
            else:
                last = middle
        high = first
        depth += 1
    return spans
