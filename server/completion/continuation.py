"""What the user typed since a suggestion was asked for, and what of the suggestion is left to say."""

from __future__ import annotations

from dataclasses import dataclass

from server.types import CompletionRequest

_CLOSERS = ")]}\"'`"
_MAX_CLOSERS = 4
_MAX_AHEAD = 4
_MAX_TYPED = 20_000


@dataclass(frozen=True, slots=True)
class Start:
    """Where a suggestion was asked for: all text before and after the cursor."""

    prefix: str
    suffix: str

    @classmethod
    def of(cls, request: CompletionRequest) -> Start:
        """Take the cursor of a request."""
        return cls(request.prefix, request.suffix)

    def typed(self, request: CompletionRequest) -> str | None:
        r"""Return what was typed from here to the cursor of ``request``, with ``\n`` as the line end.

        ``None`` when the text differs in any other way. Closing brackets and quotes that the editor added right after
        the cursor do not count as a difference.
        """
        if not 0 <= len(request.prefix) - len(self.prefix) <= _MAX_TYPED:
            return None
        if not request.prefix.startswith(self.prefix) or not request.suffix.endswith(self.suffix):
            return None
        if not are_closers(request.suffix[: len(request.suffix) - len(self.suffix)]):
            return None
        return plain(request.prefix[len(self.prefix) :])

    def inserted(self, text: str) -> str | None:
        r"""Return what a whole document has in place of the cursor, with ``\n`` as the line end.

        ``None`` when it differs in any other way.
        """
        if not 0 <= len(text) - len(self.prefix) - len(self.suffix) <= _MAX_TYPED:
            return None
        if not text.startswith(self.prefix) or not text.endswith(self.suffix):
            return None
        return plain(text[len(self.prefix) : len(text) - len(self.suffix)])


def are_closers(text: str) -> bool:
    """Whether ``text`` is what editors add by themselves after the cursor; nothing is, too."""
    return len(text) <= _MAX_CLOSERS and all(character in _CLOSERS for character in text)


def plain(text: str) -> str:
    r"""Return ``text`` with ``\n`` as the only line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def rest_of(said: str, typed: str, *, ended: bool, held: str = "") -> str | None:
    """Return what is left of a suggestion after ``typed``, ``None`` when it says something else.

    ``held`` is what follows ``said`` and cannot be shown yet, as far as it is written.

    A suggestion that is still being written may be behind the user by a few characters of a line: it is more likely to
    say them than a new one is to be there sooner. One that ended and was typed to its end has nothing left to say.
    """
    if said.startswith(typed):
        rest = said[len(typed) :]
        return None if ended and typed and not rest.strip() else rest
    ahead = len(typed) - len(said)
    if ended or not typed.startswith(said) or ahead > _MAX_AHEAD or "\n" in typed[len(said) :]:
        return None
    beyond = typed[len(said) :]
    return "" if held.startswith(beyond) or beyond.startswith(held) else None


def may_fit(said: str, inserted: str, *, ended: bool, held: str = "") -> bool:
    """Whether a suggestion may go on in a document that has ``inserted`` at its place; closers may stand at its end."""
    for closers in range(_MAX_CLOSERS + 1):
        typed = inserted[: len(inserted) - closers] if closers else inserted
        if not are_closers(inserted[len(typed) :]):
            return False
        if rest_of(said, typed, ended=ended, held=held) is not None:
            return True
        if not typed:
            return False
    return False
