"""A prefix cache as vLLM's: blocks of 16 tokens, each known by all that stands before it, the oldest dropped first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

BLOCK_TOKENS = 16
_BLOCKS = 1 << 17


class PrefixCache:
    """Counts what a model server would not have to compute again. Salts keep callers apart, as vLLM's do.

    Args:
        blocks: Most blocks to keep.
    """

    def __init__(self, blocks: int = _BLOCKS) -> None:
        self._limit = blocks
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def take(self, tokens: Sequence[Hashable], salt: str = "") -> int:
        """Look a prompt up and keep it; return how many of its tokens were there.

        The last token is always computed, since the next one comes from it.
        """
        chain = hash(salt)
        hits, unbroken = 0, True
        for start in range(0, len(tokens) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
            end = start + BLOCK_TOKENS
            chain = hash((chain, tuple(tokens[start:end])))
            unbroken = unbroken and chain in self._blocks
            if unbroken and end < len(tokens):
                hits += BLOCK_TOKENS
            self._blocks[chain] = None
            self._blocks.move_to_end(chain)
        while len(self._blocks) > self._limit:
            self._blocks.popitem(last=False)
        return hits
