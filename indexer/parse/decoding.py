"""Bytes of a blob to text, without guessing more than the bytes support."""

from __future__ import annotations

import codecs

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAX_FOREIGN_SHARE = 0.3
"""More bytes above 0x7f than this and a legacy Western encoding is not a plausible reading."""


def decode(data: bytes) -> str | None:
    r"""Decode a blob, or return None when no encoding is plausible.

    A byte order mark decides and is removed; then UTF-8; then Windows-1252, provided that the bytes read as Western
    text: few of them above 0x7f and no control characters. Line ends are kept as they are, and only ``\n`` ends a line
    in all of Hearth: a form feed or a lone carriage return is a character of its line.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    foreign = sum(byte > 0x7F for byte in data)
    if foreign > _MAX_FOREIGN_SHARE * len(data) or any(byte < 0x20 and byte not in b"\t\n\f\r\x1b" for byte in data):
        return None
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return None


def has_text_mark(data: bytes) -> bool:
    """Whether a byte order mark announces text, so that NUL bytes do not mean binary."""
    return any(data.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS)
