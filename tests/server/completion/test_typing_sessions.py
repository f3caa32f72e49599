"""Whole typing sessions: whatever is recycled or kept, the user sees what a fresh request would have said."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from server.completion import CompletionService, SuggestionUpdate
from server.config import CompletionConfig
from server.types import CompletionRequest, Delta
from tests.patience import WAIT_SECONDS
from tests.server.completion.test_service import FixedGatherer, PacedEngine

TARGET = "def area(width, height):\n    size = width * height\n    label = 'm2'\n    return label, size\n"
WRONG = "???"


class Speller(PacedEngine):
    """A model that knows one file, letter by letter; anywhere else it says nonsense."""

    generated = 0

    @asynccontextmanager
    async def complete(self, request: CompletionRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        self.opened += 1
        yield self._spell(knows(request.prefix))

    async def _spell(self, text: str) -> AsyncIterator[Delta]:
        for character in text:
            self.generated += 1
            yield Delta(character, 1)
            await asyncio.sleep(0)


def knows(prefix: str) -> str:
    """Return the rest of the file's line."""
    return TARGET[len(prefix) :].partition("\n")[0] if TARGET.startswith(prefix) else WRONG


def keys(chance: random.Random) -> list[str]:
    """Return the text after each key of somebody who errs now and then, and goes back."""
    texts, text = [], TARGET[:4]
    while len(text) < len(TARGET):
        if chance.random() < 0.1:
            wrong = "x" * chance.randint(1, 2)
            texts += [text + wrong[:count] for count in range(1, len(wrong) + 1)]
            texts += [text + wrong[:count] for count in range(len(wrong) - 1, -1, -1)]
        elif chance.random() < 0.1:
            texts += [text[:-1], text]
        text = TARGET[: len(text) + 1]
        texts.append(text)
    return texts


@pytest.mark.parametrize("seed", range(12))
async def test_every_answer_is_the_one_that_a_fresh_request_would_give(seed: int) -> None:
    chance, engine = random.Random(seed), Speller()
    service = CompletionService(FixedGatherer(), engine, CompletionConfig(multiline=False))
    typed = keys(chance)
    answered = 0
    for text in typed:
        service.changed("a", partial(str, text))
        patience = chance.choice([1, 3, 1000])
        final = await ask(service, text, patience)
        if final is not None:
            assert final.text == knows(text)
            answered += 1
    service.close()
    assert answered > len(typed) / 4
    # Typing along costs nothing; only new lines and errors ask.
    assert engine.opened < len(typed) / 2


async def ask(service: CompletionService, text: str, patience: int) -> SuggestionUpdate | None:
    """Return the final answer, or ``None`` when the next key comes after ``patience`` updates."""
    request = CompletionRequest(path="a.py", language="python", prefix=text, suffix="")
    shown = ""
    async with asyncio.timeout(WAIT_SECONDS), service.stream(request, document="a") as updates:
        async for update in updates:
            if update.final:
                return update
            assert update.text.startswith(shown)
            assert knows(text).startswith(update.text)
            shown = update.text
            patience -= 1
            if not patience:
                break
    return None
