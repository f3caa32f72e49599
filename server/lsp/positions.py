"""Columns as clients count them, and columns as Python counts them. The only module that knows about UTF-16."""

from __future__ import annotations

import enum
from collections.abc import Sequence

_SURROGATE_LOW, _SURROGATE_HIGH = "\ud800", "\udfff"


class PositionEncoding(enum.StrEnum):
    """The unit in which a client counts columns; negotiated once at ``initialize``."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"

    @classmethod
    def negotiate(cls, offered: Sequence[str] | None) -> PositionEncoding:
        """Take the first encoding of the client's list that is known here; UTF-16 when there is none."""
        known = {encoding.value: encoding for encoding in cls}
        return next((known[name] for name in offered or () if name in known), cls.UTF16)

    def units(self, text: str) -> int:
        """Count the code units of ``text``."""
        if self is PositionEncoding.UTF32 or text.isascii():
            return len(text)
        if self is PositionEncoding.UTF16:
            return len(text.encode("utf-16-le", "surrogatepass")) // 2
        return len(text.encode("utf-8", "surrogatepass"))

    def column(self, line: str, units: int) -> int:
        """Convert a column in code units to an index into ``line``.

        A column past the end is the end; one inside a character is the place before that character.
        """
        if units <= 0:
            return 0
        if self is PositionEncoding.UTF32 or line.isascii():
            return min(units, len(line))
        if self is PositionEncoding.UTF16:
            head = line.encode("utf-16-le", "surrogatepass")[: 2 * units]
            return len(head.decode("utf-16-le", "ignore"))
        return len(line.encode("utf-8", "surrogatepass")[:units].decode("utf-8", "ignore"))


def without_lone_surrogates(text: str) -> str:
    """Replace halves of characters by U+FFFD: no UTF-8 holds them, and each counts one UTF-16 unit before and after.

    JSON can carry them, and an editor sends them while someone deletes half of an emoji.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if _SURROGATE_LOW <= character <= _SURROGATE_HIGH else character for character in text)
    return text
