"""Cuts text into pieces that a tokenizer encodes alike whether they stand alone or in the text.

Typing then changes one piece, and the tokens of all others are known already. Which cut is right depends on where a
family's tokenizer lets tokens run across the end of a line; :class:`server.prompt.tokens.TokenCodec` tries them.
"""

from __future__ import annotations

import re

MAX_PIECE_CHARACTERS = 512
"""Longer pieces are cut, so that a key in an endless line costs no more than in others."""


AFTER_BLANK_LINES = re.compile(r"[^\n]*\n(?:[^\S\n]*\n)*|[^\n]+")
"""At the start of a line that is not blank: for tokenizers that join line ends with what stands before them."""
BEFORE_LINE_ENDS = re.compile(r"\s*\S+(?:[^\S\n]+\S+)*|\s+")
"""At the end of what a line says: for tokenizers that join line ends with the indentation that follows."""


def cut(text: str, where: re.Pattern[str] = AFTER_BLANK_LINES) -> list[str]:
    """Cut ``text``; the pieces are never empty and make up all of it."""
    pieces: list[str] = where.findall(text)
    if all(len(piece) <= MAX_PIECE_CHARACTERS for piece in pieces):
        return pieces
    return [
        piece[at : at + MAX_PIECE_CHARACTERS] for piece in pieces for at in range(0, len(piece), MAX_PIECE_CHARACTERS)
    ]
