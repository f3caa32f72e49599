"""The embedded engine: completes from the index and the open files alone, and is silent when it is unsure."""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
_LIKELY_AS_WELL = 0.05
"""Least confidence of what is shown to users who ask for others than the best."""
_BEGINNING_MARGIN = 0.1
"""A beginning of a line has to be surer than a whole one by so much."""
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
        self._ranker = ranker or Ranker.load()
        self._suggester = Suggester(source, self._ranker)

    @property
    def name(self) -> str:
        """``"embedded"``."""
        return NAME

    def suggest(self, request: CompletionRequest, *, floor: float | None = None) -> tuple[Completion, ...]:
        """Return what may stand between the cursor and the end of its line, most confident first; takes milliseconds.

        Args:
            request: Where the cursor is. With ``multiline`` and enough evidence, the best line is also proposed with
                further lines, as an alternative of its own confidence.
            floor: Least confidence of a suggestion; a low one by default, so that all alternatives are seen.
        """
        ranked = self._suggester.rank(request)
        return tuple(self._suggestions(request, ranked, _FLOOR if floor is None else floor))

    def propose(self, request: CompletionRequest, least: float | None = None) -> Completion | None:
        """Return what an editor should show: the most that is likely enough, or ``None`` to stay silent.

        That is several lines where they are wanted and sure, a line, or the beginning of one that candidates share.

        Args:
            request: Where the cursor is.
            least: Least confidence that is enough; by default, and never less than, what the settings say.
        """
        ranked = self._suggester.rank(request)
        least = max(self._config.threshold, least or 0.0)
        found = [found for found in self._suggestions(request, ranked, least) if found.confidence >= least]
        if found:
            return next((completion for completion in found if "\n" in completion.text), found[0])
        begun = ranked.beginning(self._ranker.beginnings, min(1.0, least + _BEGINNING_MARGIN))
        if begun is None or request.suffix.partition("\n")[0].strip():
            return None
        return Completion(begun.text, begun.confidence, f"{NAME}:{ranked.origin(begun.candidate)}")

    @asynccontextmanager
    async def complete(self, request: CompletionRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        """Stream the best suggestion in parts of a word, or nothing when none is likely enough."""
        proposed = await asyncio.to_thread(self._another if request.variant else self.propose, request)
        if proposed is None:
            yield _stream([])
        else:
            yield _stream(_PARTS.findall(proposed.text), proposed.confidence, proposed.source)

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Return what :meth:`complete` returns: its work is the answer itself."""
        return self.complete(request)

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

    def _another(self, request: CompletionRequest) -> Completion | None:
        """Return one of the texts that are less likely than what is proposed."""
        proposed = self.propose(request)
        others = [
            found
            for found in self.suggest(request, floor=_LIKELY_AS_WELL)
            if proposed is None or found.text != proposed.text
        ]
        return others[request.variant - 1] if request.variant <= len(others) else None

    def _suggestions(self, request: CompletionRequest, ranked: Ranked, floor: float) -> list[Completion]:
        found = [
            Completion(suggestion.text, suggestion.confidence, f"{NAME}:{ranked.origin(suggestion.candidate)}")
            for suggestion in ranked.suggestions()[:_MOST_SUGGESTIONS]
            if suggestion.confidence >= floor
        ]
        if found and request.multiline:
            longer = self._longer(request, found[0])
            if longer is not found[0]:
                found.append(longer)
                found.sort(key=lambda completion: -completion.confidence)
        return found

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


def _pieces(text: str) -> list[str]:
    return _WORDS.findall(text)


async def _stream(parts: list[str], confidence: float = -1.0, source: str = "") -> AsyncIterator[Delta]:
    for part in parts:
        yield Delta(part, 1, confidence, source)
        # A cancelled reader is noticed between two parts.
        await asyncio.sleep(0)
