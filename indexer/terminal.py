"""Text of repositories on a terminal: whoever can commit a file must not be able to steer the reader's terminal.

The same holds for logs, and for whoever can send a message.
"""

from __future__ import annotations

import logging
from types import TracebackType

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

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


class OneLine(logging.Formatter):
    """Writes each message on one line, whatever names of others it repeats; nobody can forge an entry of a log."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- the name is the library's
        """Return the line without what follows it."""
        return visible_name(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 -- as above
        """Return where an error came from, in lines that no line of a log looks like."""
        return "\n".join(f"    {visible_name(line)}" for line in super().formatException(ei).splitlines())
