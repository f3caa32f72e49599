"""What the index asks of anything that turns text into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns chunks and queries into vectors whose inner product says how well they fit.

    Implementations are deterministic and may be called from several threads at once.
    """

    @property
    def name(self) -> str:
        """The kind of embedder, for people (``"static"``)."""

    @property
    def version(self) -> str:
        """Changes whenever the same text could get another vector; stored vectors of another version are void."""

    @property
    def dimensions(self) -> int:
        """Length of each vector."""

    def embed_chunks(self, texts: Sequence[str]) -> Vectors:
        """Embed the texts of chunks.

        Returns:
            float32 of shape ``(len(texts), dimensions)``; each row has length 1, or is all zeros when its text
            holds no word.
        """

    def embed_query(self, text: str) -> Vectors:
        """Embed a question, a sentence or the code around a cursor.

        Returns:
            float32 of shape ``(dimensions,)`` of length 1, or all zeros when the text holds no word.
        """
