"""How large chunks are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Sizes in characters (white space at both ends of lines not counted) and lines.

    Attributes:
        max_chars: A definition up to this size is one chunk; larger ones are cut inside.
        max_lines: The same in lines.
        merge_chars: Neighbours are joined while the result stays below this size.
        small_chars: A definition below this size may be joined with its neighbours.
    """

    max_chars: int = 2400
    max_lines: int = 80
    merge_chars: int = 1500
    small_chars: int = 800


DEFAULT_LIMITS = ChunkLimits()
