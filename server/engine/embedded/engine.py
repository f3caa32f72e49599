"""The embedded engine: completes from the index and the open files alone, and is silent when it is unsure."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from server.config import EmbeddedConfig
from server.engine.embedded.explanation import compose_explanation
from server.engine.embedded.ranker import Ranker
from server.engine.embedded.suggester import CorpusSource, Ranked, Suggester
from server.types import Completion, CompletionRequest, Delta, EngineHealth, ExplainRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAME = "embedded"
_FLOOR = 0.02
_MOST_SUGGESTIONS = 5
_NEXT_LINE = 0.75
"""Least confidence in each further line of a suggestion."""
_PARTS = re.compile(r"\s*\w+|\s*[^\w\s]+|\s+")
_WORDS = re.compile(r"\S+\s*")


class EmbeddedEngine:
    """Completes lines from the corpus of the cursor's repository and from open files; explains from facts alone.

    Args:
        source: Where corpora come from: :class:`indexer.api.Index`, or ``None`` for open files alone.
        config: When it speaks, and how much it proposes.
        ranker: Other weights than those that ship with Hearth.
    """

    def __init__(
        self, source: CorpusSource | None, config: EmbeddedConfig | None = None, *, ranker: Ranker | None = None
    ) -> None:
        self._config = config or EmbeddedConfig()
        self._suggester = Suggester(source, ranker or Ranker.load())

    @property
    def name(self) -> str:
        """``"embedded"``."""
        return NAME

    def suggest(self, request: CompletionRequest, *, floor: float | None = None) -> tuple[Completion, ...]:
        """Return what may stand between the cursor and the end of its line, most confident first; takes milliseconds.

        Args:
            request: Where the cursor is. With ``multiline`` the first suggestion may go on over several lines.
            floor: Least confidence of a suggestion; a low one by default, so that all alternatives are seen.
        """
        least = _FLOOR if floor is None else floor
        ranked = self._suggester.rank(request)
        found = [
            Completion(_in_line_ends_of(request, suggestion.text), suggestion.confidence, self._source(ranked, place))
            for place, suggestion in enumerate(ranked.suggestions()[:_MOST_SUGGESTIONS])
            if suggestion.confidence >= least
        ]
        if found and request.multiline:
            found[0] = self._longer(request, found[0])
        return tuple(found)

    @asynccontextmanager
    async def complete(self, request: CompletionRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        """Stream the best suggestion in parts of a word, or nothing when none is likely enough."""
        found = await asyncio.to_thread(self.suggest, request, floor=self._config.threshold)
        text = found[0].text if found else ""
        yield _stream(_PARTS.findall(text))

    @asynccontextmanager
    async def explain(self, request: ExplainRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        """Stream an explanation put together from the facts of ``request``."""
        text = await asyncio.to_thread(compose_explanation, request)
        yield _stream(_pieces(text))

    async def health(self) -> EngineHealth:
        """Answer that it is available: it needs no other machine."""
        return EngineHealth(True, "completes from the index and the open files", NAME)

    async def close(self) -> None:
        """Let go of what was kept between key strokes."""
        self._suggester.clear()

    def _source(self, ranked: Ranked, place: int) -> str:
        return f"{NAME}:{ranked.origin(ranked.suggestions()[place].candidate)}"

    def _longer(self, request: CompletionRequest, first: Completion) -> Completion:
        """Add lines to a suggestion for as long as each is nearly certain."""
        following, _, below = request.suffix.partition("\n")
        if following.strip() or first.confidence < _NEXT_LINE or "\n" not in request.prefix:
            return first
        line_end = "\r\n" if "\r\n" in request.prefix else "\n"
        text, confidence = first.text, first.confidence
        for _ in range(self._config.max_lines - 1):
            prefix = f"{request.prefix}{text}{line_end}"
            suffix = f"{line_end}{below}" if below else ""
            ranked = self._suggester.rank(replace(request, prefix=prefix, suffix=suffix), fresh_line=True)
            suggestions = ranked.suggestions()
            if not suggestions or suggestions[0].confidence < _NEXT_LINE:
                break
            if confidence * suggestions[0].confidence < self._config.threshold:
                break
            confidence *= suggestions[0].confidence
            text = f"{text}{line_end}{suggestions[0].text}"
        return replace(first, text=text, confidence=confidence)


def _in_line_ends_of(request: CompletionRequest, text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in request.prefix else text


def _pieces(text: str) -> list[str]:
    return _WORDS.findall(text)


async def _stream(parts: list[str]) -> AsyncIterator[Delta]:
    for part in parts:
        yield Delta(part, 1)
        # A cancelled reader is noticed between two parts.
        await asyncio.sleep(0)
