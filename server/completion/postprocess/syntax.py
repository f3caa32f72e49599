"""What the syntax of a suggestion says about the ends of its lines: whether brackets or strings go on beyond them."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.api import GrowingSource

_WINDOW = 8_000
_OPENERS = ("(", "[", "{")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_LONGEST_OPENER = 2
"""Such as the ``${`` of a template."""
_UNPAIRED = frozenset({"bash"})
"""Languages in which a bracket may stand alone, as after the patterns of ``case``."""


@dataclass(frozen=True, slots=True)
class LineEnd:
    """How it stands at one place of a suggestion.

    Attributes:
        open: Brackets open that were opened on the cursor's line, before the cursor or after it.
        in_text: Whether the place is in a string or comment that goes on over lines.
        closed: Where the suggestion closes the first bracket that was opened above the cursor's line, in characters
            from the cursor; -1 as long as it does not.
    """

    open: int
    in_text: bool
    closed: int


class Syntax:
    """The syntax of what is suggested at one cursor, by the language's grammar. A step asks it only at line ends.

    Args:
        above: The text before the cursor's line.
        line_before: The cursor's line up to the cursor.
        language: Of the file.
    """

    def __init__(self, above: str, line_before: str, language: str) -> None:
        self._line_before = line_before
        window = _window(above)
        # Prose is no code, and its brackets pair with nothing; one that begins here has its end in the suggestion.
        unpaired = language in _UNPAIRED or _ends_in_text(window)
        self._source = None if unpaired else GrowingSource(window, language)
        self._known: dict[int, LineEnd | None] = {}
        self._text = ""
        self._opened = -1

    @property
    def opened(self) -> int:
        """How many brackets the cursor's line has opened before the cursor."""
        if self._opened < 0:
            before = self._read("")
            self._opened = before.open if before is not None else 0
        return self._opened

    def at(self, text: str, end: int) -> LineEnd | None:
        """Return how it stands at ``end`` of ``text``, whatever follows; ``None`` when no grammar can say."""
        if not text.startswith(self._text):
            self._known.clear()
            self._text = ""
        if end not in self._known:
            self._known[end] = self._read(text[:end])
            self._text = max(self._text, text[:end], key=len)
        return self._known[end]

    def _read(self, text: str) -> LineEnd | None:
        found = self._source.tokens(self._line_before + text) if self._source is not None else None
        if found is None:
            self._source = None
            return None
        opened: list[str] = []
        closed = -1
        for token in found.tokens[: found.certain]:
            if not token.sign:
                continue
            if token.text.endswith(_OPENERS) and len(token.text) <= _LONGEST_OPENER:
                opened.append(token.text[-1])
            elif token.text in _PAIRS:
                if opened and opened[-1] == _PAIRS[token.text]:
                    opened.pop()
                elif not opened and closed < 0 and token.start >= len(self._line_before):
                    closed = token.start - len(self._line_before)
        return LineEnd(len(opened), found.inside, closed)


def _window(above: str) -> str:
    """The end of ``above`` from a line's start, one that is not indented if there is any."""
    if len(above) <= _WINDOW:
        return above
    lines = above[-_WINDOW:].split("\n")[1:]
    start = next((number for number, line in enumerate(lines[:-1]) if line[:1].strip()), 0)
    return "\n".join(lines[start:])


def _ends_in_text(source: str) -> bool:
    """Whether ``source`` seems to end in a string or comment over several lines; if it does not, little is lost."""
    odd = any(source.count(quotes) % 2 for quotes in ('"""', "'''", "`"))
    return odd or source.rfind("/*") > source.rfind("*/")
