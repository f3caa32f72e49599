"""Prompts for the models of a server: which family each is of, whether it may be used, and how it wants its prompts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from indexer.api import Allowances
from server.config import HearthConfig
from server.prompt.explanation import explanation_messages
from server.prompt.formats import FimFormat
from server.prompt.loading import ModelTokenizer, find_tokenizer
from server.prompt.media import CountedTextMedium, Medium, TextMedium, TokenMedium, estimate_tokens
from server.prompt.registry import FormatRegistry
from server.prompt.render import CHARACTERS_PER_TOKEN, Budget, render
from server.prompt.withholding import Withholding
from server.signals import Signal
from server.types import ChatMessage, CompletionRequest, ExplainRequest, Prompt, ServedModel, TokenCount

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_DETECTION_SECONDS = 3.0
_MOST_NEW_CHARACTERS = 2_000
"""What is encoded at once, in about two milliseconds; more is encoded beside the event loop."""

ReadTokenizer = Callable[[str, str], "tuple[Tokenizer, str]"]


class ModelPrompts:
    """Writes prompts within each model's context, with its own tokenizer as soon as that has been read.

    Use it from one event loop.

    Args:
        formats: The families that are known.
        config: All settings.
        read_tokenizer: As :func:`server.prompt.loading.find_tokenizer`.

    Attributes:
        settled: Told when it is known how the tokens of one more model are counted.
    """

    def __init__(
        self, formats: FormatRegistry, config: HearthConfig, *, read_tokenizer: ReadTokenizer = find_tokenizer
    ) -> None:
        self._formats = formats
        self._vllm = config.engine.vllm
        self._explain = config.explain
        self._budget = Budget(
            context=config.engine.vllm.context_tokens,
            snippets=config.context.tokens,
            answer=config.completion.max_tokens,
        )
        self._withholding = (
            Withholding(self._budget.context * CHARACTERS_PER_TOKEN, Allowances(config.index.allowed_secrets))
            if config.index.secrets
            else None
        )
        self._read_tokenizer = read_tokenizer
        self._served: dict[str, ServedModel] = {}
        self._families: dict[str, FimFormat] = {}
        self._tokenizers: dict[tuple[str, str], ModelTokenizer] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.settled: Signal[[]] = Signal()

    async def learn(self, served: Sequence[ServedModel], model: str) -> None:
        """Take note of what the model server lists, and read the tokenizer of ``model`` in the background.

        Raises:
            EngineRefused: ``model`` is of no known family, or its licence is not allowed.
        """
        self._loop = asyncio.get_running_loop()
        self._served = {item.name: item for item in served}
        self._families.clear()
        tokenizer = self._tokenizer(model)
        if self._family_by_name(model) is None:
            await asyncio.to_thread(tokenizer.done.wait, _DETECTION_SECONDS)
        self.family(model)

    def family(self, model: str) -> FimFormat:
        """Return how a model wants its prompts.

        Raises:
            EngineRefused: It is of no known family, or its licence is not allowed.
        """
        found = self._families.get(model)
        if found is None:
            found = self._family_by_name(model) or self._formats.detect(model, self._tokenizer(model).special_tokens)
            self._formats.require_allowed(model, found)
            self._families[model] = found
        return found

    def token_count(self, model: str) -> TokenCount:
        """Return what is known now of the tokens of a model's prompts."""
        listed = model in self._served
        return TokenCount.COUNTED if listed and self._tokenizer(model).codec is not None else TokenCount.ESTIMATED

    async def tokens_detail(self, model: str) -> str:
        """Say how the tokens of a model are counted, once that is settled; a sentence for people."""
        tokenizer = self._tokenizer(model)
        await asyncio.to_thread(tokenizer.done.wait)
        return tokenizer.detail

    async def write(self, request: CompletionRequest, model: str) -> Prompt:
        """Write the prompt of a completion, without secrets; an empty one when the cursor is in one.

        Raises:
            EngineRefused: As :meth:`family`.
        """
        fim = self.family(model)
        if self._withholding is not None:
            withhold = self._withholding.completion
            quick = self._withholding.is_quick(request)
            withheld = withhold(request) if quick else await asyncio.to_thread(withhold, request)
            if withheld is None:
                return Prompt("")
            request = withheld
        served = self._served.get(model)
        context = self._budget.context
        if served is not None and served.context_tokens:
            context = min(context, served.context_tokens)
        budget = evolve(self._budget, context=context)
        make = self._medium(fim, model)
        if make is None:
            return render(request, fim, budget, TextMedium(fim))
        from server.prompt.tokens import NotCached  # noqa: PLC0415  # there is a tokenizer, so it has been loaded

        try:
            return render(request, fim, budget, make(_MOST_NEW_CHARACTERS))
        except NotCached:
            return await asyncio.to_thread(render, request, fim, budget, make(None))

    async def write_explanation(self, request: ExplainRequest) -> tuple[ChatMessage, ...]:
        """Write the conversation that asks for an explanation, without secrets."""
        if self._withholding is not None:
            request = await asyncio.to_thread(self._withholding.explanation, request)
        count: Callable[[str], int] = estimate_tokens
        # Another server, or another model, has a tokenizer of its own.
        separate = self._vllm.chat_url or self._vllm.chat_uds
        if not separate and self._vllm.chat_model in {"", self._vllm.model}:
            codecs = [item.codec for item in self._tokenizers.values() if item.codec is not None]
            if len(codecs) == 1:
                count = codecs[0].count
        return await asyncio.to_thread(explanation_messages, request, self._explain.context_tokens, count)

    def _medium(self, fim: FimFormat, model: str) -> Callable[[int | None], Medium] | None:
        """Return what makes a medium that counts tokens, or None when they can only be estimated."""
        served = self._served.get(model)
        codec = self._tokenizer(model).codec if served is not None else None
        if served is None or codec is None:
            return None
        kind = TokenMedium if served.takes_token_ids else CountedTextMedium
        return partial(kind, fim, codec)

    def _tokenizer(self, model: str) -> ModelTokenizer:
        """Return the tokenizer of a model; adapters have that of the model which they adapt."""
        served = self._served.get(model, ServedModel(model))
        base = self._served.get(served.parent, served)
        found = self._tokenizers.get((base.name, base.root))
        if found is None:
            found = self._tokenizers[base.name, base.root] = ModelTokenizer(
                partial(self._read_tokenizer, self._vllm.tokenizer, base.root),
                lambda tokens: self._family_by_name(model) or self._formats.detect(model, tokens),
                self._tell_settled,
            )
        return found

    def _tell_settled(self) -> None:
        """Tell who listens, from the thread of a tokenizer."""
        if self._loop is not None:
            # Whoever listened is gone when the loop has been closed.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.settled)

    def _family_by_name(self, model: str) -> FimFormat | None:
        """Find a family by the admin's word, or by the names that a model, its base and its files have."""
        if self._vllm.format:
            return self._formats.find(model, self._vllm.format)
        served = self._served.get(model, ServedModel(model))
        base = self._served.get(served.parent, served)
        for name in (model, served.parent, base.root):
            if name and self._formats.family(name) is not None:
                return self._formats.find(name)
        return None
