"""A suggestion on its way through the steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from server.completion.postprocess.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Draft:
    r"""What the engine wrote so far, as far as it may be shown.

    Attributes:
        text: With ``\n`` as the line end. A step may cut it, and may hold back its end while that could still change.
        final: The engine has ended.
        complete: A step found the end of what is wanted: nothing that the engine adds will change the text.
    """

    text: str
    final: bool = False
    complete: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing needs to be held back any more."""
        return self.final or self.complete

    def cut(self, end: int) -> Draft:
        """End the suggestion at ``end``."""
        return replace(self, text=self.text[:end], complete=True)

    def hold(self, end: int) -> Draft:
        """Show no more than up to ``end`` for now."""
        return self.with_text(self.text[:end])

    def with_text(self, text: str) -> Draft:
        """Say ``text`` instead; most steps leave it as it is, at each token."""
        return self if text == self.text else replace(self, text=text)

    def withdraw(self) -> Draft:
        """Propose nothing."""
        return replace(self, text="", complete=True)


Step = Callable[[Draft, Cursor], Draft]
"""A pure function of the draft and its surroundings.

Called on longer and longer texts, it must be stable: unless settled, what it lets through for a text is a prefix of
what it lets through for any continuation of that text, or that continuation is cut further back.
"""
