"""How a parser reads a source, part by part.

The binding of tree-sitter keeps a reference for ever to each object that such a callback returns (all versions from
0.25.0 to 0.26.1 do). With parts of their own a copy of every source would stay in memory. So the same few objects are
returned again and again, each time with what is to be read: a parser looks at a part only until it asks for the next.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

_SIZES = (4_096, 1_024, 256, 64)
"""Bytes of a part: the largest that is left to be read, and fewer at the end. Between two reads other threads get their
turn: the event loop is one of them."""


class _Parts(threading.local):
    """The parts of one thread, by their size."""

    def __init__(self) -> None:
        self.by_size: dict[int, bytes] = {}


_parts = _Parts()


def reader(source: bytes) -> Callable[[int, object], bytes]:
    """Return what gives ``source`` to a parser; it serves one parse at a time in each thread."""
    by_size = _parts.by_size

    def read(offset: int, _point: object) -> bytes:
        rest = len(source) - offset
        if rest < 2:
            # Python has each of these once, for everybody.
            return source[offset:]
        size = next((size for size in _SIZES if size <= rest), rest)
        part = by_size.get(size)
        if part is None:
            part = by_size[size] = bytes(size)
        ctypes.memmove(ctypes.c_char_p(part), source[offset : offset + size], size)
        return part

    return read
