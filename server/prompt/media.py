"""What a prompt is written in: text whose tokens are estimated, or the tokens themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from server.prompt.formats import FimFormat, Marker
from server.prompt.pieces import cut
from server.types import Prompt

if TYPE_CHECKING:
    # Its library is loaded in the background, when the model is known.
    from server.prompt.tokens import TokenCodec

Item = str | Marker
"""A piece of text, or a marker."""

_BYTES_PER_TOKEN = 3
"""A low estimate for code (3 to 4 bytes with current tokenizers), so that a prompt rather has room left."""
_MAX_STOP_STRINGS = 4


def estimate_tokens(text: str) -> int:
    """Return about how many tokens ``text`` has, rather more than less."""
    return len(text.encode(errors="replace")) // _BYTES_PER_TOKEN + (1 if text else 0)


class Medium(Protocol):
    """Cuts, measures and writes. Costs are counted in the medium's own units."""

    units_per_token: int
    overhead: int
    """Tokens that every prompt takes besides its items."""

    def clean(self, text: str) -> str:
        """Return text from a file as it may stand in a prompt."""

    def pieces(self, text: str) -> list[str]:
        """Cut clean text into pieces, none of them empty."""

    def costs(self, pieces: Sequence[str]) -> list[int]:
        """Return the cost of each piece."""

    def cost(self, items: Sequence[Item]) -> int:
        """Return the cost of all items."""

    def prompt(self, items: Sequence[Item], *, stop: tuple[str, ...], dropped_snippets: int) -> Prompt:
        """Write the prompt; ``stop`` ends its answer besides what the family says."""


class TextMedium:
    """Text for a model server that tokenizes it, markers and all: those in files are made harmless by a space."""

    units_per_token = _BYTES_PER_TOKEN
    overhead = 1

    def __init__(self, fim: FimFormat) -> None:
        self._fim = fim

    def clean(self, text: str) -> str:
        """Return text without markers."""
        return self._fim.neutralise(text)

    def pieces(self, text: str) -> list[str]:
        """Cut text into lines."""
        return cut(text)

    def costs(self, pieces: Sequence[str]) -> list[int]:
        """Return the bytes of each piece."""
        return [len(piece.encode(errors="replace")) for piece in pieces]

    def cost(self, items: Sequence[Item]) -> int:
        """Return the bytes of all items."""
        return len("".join(map(_text, items)).encode(errors="replace"))

    def prompt(self, items: Sequence[Item], *, stop: tuple[str, ...], dropped_snippets: int) -> Prompt:
        """Write the prompt as text."""
        return Prompt(
            "".join(map(_text, items)),
            stop=(*stop, *self._fim.stop)[:_MAX_STOP_STRINGS],
            stop_token_ids=self._fim.stop_token_ids,
            dropped_snippets=dropped_snippets,
        )


class TokenMedium:
    """Token ids, in which a marker in a file is text like any other.

    Args:
        fim: The family.
        codec: Its tokenizer.
        most_new: Characters that may be encoded at once when they are not cached; None sets no limit.

    Raises:
        NotCached: From any method that encodes, when that is exceeded.
    """

    units_per_token = 1

    def __init__(self, fim: FimFormat, codec: TokenCodec, most_new: int | None = None) -> None:
        self._fim = fim
        self._codec = codec
        self._most_new = most_new
        # A space that the tokenizer adds may cost a token at the start and after each marker of the template.
        self.overhead = len(codec.bos) + (2 * len(fim.parts(fim.template)) if codec.has_leads else 0)

    def clean(self, text: str) -> str:
        """Return the text as it is."""
        return text

    def pieces(self, text: str) -> list[str]:
        """Cut text where its tokens can be cut."""
        return self._codec.pieces(text)

    def costs(self, pieces: Sequence[str]) -> list[int]:
        """Return the tokens of each piece."""
        return [len(ids) for ids in self._codec.encode(pieces, most_new=self._most_new)]

    def cost(self, items: Sequence[Item]) -> int:
        """Return the tokens of all items."""
        texts = [item for item in items if isinstance(item, str)]
        return sum(self.costs(texts)) + len(items) - len(texts)

    def prompt(self, items: Sequence[Item], *, stop: tuple[str, ...], dropped_snippets: int) -> Prompt:
        """Write the prompt as token ids; tokens end the answer where the tokenizer has them.

        Strings that end it hold back as many characters of every answer as they are long.
        """
        named = [text for text in self._fim.stop if not self._codec.knows(text)]
        return Prompt(
            "",
            stop=(*stop, *named)[:_MAX_STOP_STRINGS],
            stop_token_ids=self._codec.stop_ids,
            token_ids=self._codec.prompt(items, most_new=self._most_new),
            dropped_snippets=dropped_snippets,
        )


class CountedTextMedium(TokenMedium):
    """Text whose tokens are counted, for a model server that takes no token ids."""

    def clean(self, text: str) -> str:
        """Return text without markers."""
        return self._fim.neutralise(text)

    def prompt(self, items: Sequence[Item], *, stop: tuple[str, ...], dropped_snippets: int) -> Prompt:
        """Write the prompt as text."""
        return TextMedium(self._fim).prompt(items, stop=stop, dropped_snippets=dropped_snippets)


def _text(item: Item) -> str:
    return item if isinstance(item, str) else item.text
