"""Text of repositories on a terminal: whoever can commit a file must not be able to steer the reader's terminal."""

from __future__ import annotations

_SYMBOLS = 0x2400
"""Where Unicode has a picture of each control character."""

_PICTURES = {code: chr(_SYMBOLS + code) for code in range(32) if chr(code) not in "\t\n"}
_C1 = dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\N{REPLACEMENT CHARACTER}")
_VISIBLE = {**_PICTURES, 0x7F: "\N{SYMBOL FOR DELETE}", **_C1}
_ONE_LINE = {**_VISIBLE, ord("\t"): "\N{SYMBOL FOR HORIZONTAL TABULATION}", ord("\n"): "\N{SYMBOL FOR LINE FEED}"}


def visible(text: str) -> str:
    """Return ``text`` with a picture in place of each control character; line ends and tabs stay.

    Escape sequences and overrides of the writing direction lose their effect.
    """
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def visible_name(name: str) -> str:
    """Return a name or a path likewise, on one line."""
    return name.translate(_ONE_LINE)
