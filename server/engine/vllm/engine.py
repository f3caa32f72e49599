"""Completions and explanations from a model server."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from server.config import ExplainConfig, VllmConfig
from server.engine.metrics import PROMPT_TOKENS, caller_labels, model_label
from server.engine.vllm.client import Deadlines, ModelServerClient, encode
from server.engine.vllm.failures import from_status
from server.engine.vllm.fields import OptionalFields
from server.engine.vllm.salts import TenantSalts
from server.engine.vllm.teams import TeamModels
from server.errors import EngineError, EngineProtocolError, EngineRefused
from server.types import (
    Caller,
    ChatMessage,
    CompletionRequest,
    Delta,
    EngineHealth,
    ExplainRequest,
    Prompt,
    Rung,
    ServedModel,
)

PromptWriter = Callable[[CompletionRequest, str], Awaitable[Prompt]]
"""``(request, model)`` → the prompt, within the model's context, or an empty one when nothing is to be asked.

Raises ``EngineRefused`` for an unknown model.
"""

ExplanationWriter = Callable[[ExplainRequest], Awaitable[tuple[ChatMessage, ...]]]
"""``request`` → the conversation that asks for an explanation."""

Learn = Callable[[Sequence[ServedModel], str], Awaitable[None]]
"""Told what the server of completions lists, and which model is used. Raises ``EngineRefused`` for one it is not to."""

_HEALTH_SECONDS = 3.0
_MAX_STOP_STRINGS = 4
_MAX_PROMPT_TOKENS = 1 << 24
_EXPLAIN_PRIORITY = 10
"""Completions have 0, the default, and lower goes first: they need no server that knows priorities, and overtake."""
_VARIANT_TEMPERATURE = 0.8
"""For users who ask for another text than the likeliest."""


class VllmEngine:
    """An :class:`server.types.Engine` over ``/v1/completions`` and ``/v1/chat/completions``.

    Args:
        config: Addresses, models and deadlines.
        explain: How long explanations may be.
        write_prompt: Lays out the prompt of a completion.
        write_explanation: Lays out the conversation of an explanation.
        learn: Takes note of the models that the server lists.
        salt_key_file: Keeps the key of tenants' salts unless the settings name one; None keeps it in memory.
        environment: Where secrets are looked up.
    """

    def __init__(
        self,
        config: VllmConfig,
        explain: ExplainConfig,
        *,
        write_prompt: PromptWriter,
        write_explanation: ExplanationWriter,
        learn: Learn | None = None,
        salt_key_file: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        # A machine that may take long to connect may as well take long to say how it is.
        self._health_seconds = max(_HEALTH_SECONDS, config.connect_seconds)
        self._explain_config = explain
        self._write_prompt = write_prompt
        self._write_explanation = write_explanation
        self._learn = learn
        self._api_key = environment.get(config.api_key_env, "") if config.api_key_env else ""
        salt_key = environment.get(config.cache_salt_key_env, "") if config.cache_salt_key_env else ""
        self._salts = TenantSalts(salt_key.encode(), None if config.cache_salt_key_env else salt_key_file)
        self._has_salt_key = bool(salt_key) or not config.cache_salt_key_env
        self._completions = self._client(config.url, config.uds)
        separate = bool(config.chat_url or config.chat_uds)
        self._chat = self._client(config.chat_url, config.chat_uds) if separate else self._completions
        self._teams = TeamModels(config.teams, partial(self._models, self._completions))
        self._chat_teams = TeamModels(
            config.chat_teams, partial(self._models, self._chat), "explanations", "[engine.vllm.chat_teams]"
        )
        self._model = config.model
        self._optional = {client: OptionalFields() for client in (self._completions, self._chat)}
        self._chat_model = config.chat_model or ("" if separate else config.model)

    @property
    def name(self) -> str:
        """``"vllm"``."""
        return Rung.VLLM.value

    @asynccontextmanager
    async def complete(self, request: CompletionRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        """Stream the text to insert at the cursor.

        Raises:
            EngineError: The server could not answer; see :mod:`server.engine.vllm.failures`.
        """
        async with self._answer(await self._question(request)) as deltas:
            yield deltas

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Write ahead what the server is sent."""
        try:
            return self._answer(await self._question(request))
        except EngineError:
            # Whoever asks meets it again.
            return self.complete(request)

    @asynccontextmanager
    async def _answer(self, question: _Question | None) -> AsyncIterator[AsyncIterator[Delta]]:
        if question is None:
            yield _nothing()
            return
        async with aclosing(self._ask(self._completions, question)) as deltas:
            yield deltas

    async def _question(self, request: CompletionRequest) -> _Question | None:
        """Write what is asked for a completion; None when nothing is to be asked."""
        self._require_key()
        model = self._model or await self._first_model(self._completions)
        self._model = model
        began = time.perf_counter()
        prompt = await self._write_prompt(request, model)
        written = _milliseconds_since(began)
        if not (prompt.text or prompt.token_ids):
            return None
        # A team's adapter takes the prompts of the model that it adapts.
        chosen = await self._teams.model(request.caller.team) or model
        temperature = _VARIANT_TEMPERATURE if request.variant else self._config.temperature
        payload = self._payload(chosen, request.max_tokens, temperature)
        payload["prompt"] = list(prompt.token_ids) or prompt.text
        if prompt.stop:
            payload["stop"] = list(prompt.stop[:_MAX_STOP_STRINGS])
        optional = await self._fields_of(request.caller)
        if prompt.stop_token_ids:
            # A model whose vocabulary lacks its family's token ids refuses them.
            optional["stop_token_ids"] = list(prompt.stop_token_ids)
        deadlines = Deadlines(
            self._config.first_token_seconds, self._config.between_tokens_seconds, self._config.total_seconds
        )
        return _Question(
            "/v1/completions",
            chosen,
            encode(payload),
            optional,
            deadlines,
            request.request_id,
            {"prompt": written},
            _completion_text,
            caller=request.caller,
            task="complete",
            prompt_tokens=len(prompt.token_ids),
        )

    @asynccontextmanager
    async def explain(self, request: ExplainRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        """Stream an explanation in Markdown.

        Raises:
            EngineError: The server could not answer.
        """
        self._require_key()
        model = self._chat_model or await self._first_model(self._chat)
        self._chat_model = model
        began = time.perf_counter()
        messages = await self._write_explanation(request)
        written = _milliseconds_since(began)
        chosen = await self._chat_teams.model(request.caller.team) or model
        payload = self._payload(chosen, self._explain_config.max_tokens, self._config.explain_temperature)
        payload["messages"] = [{"role": item.role, "content": item.content} for item in messages]
        deadlines = Deadlines(
            self._config.explain_first_token_seconds,
            self._config.between_tokens_seconds,
            self._config.explain_total_seconds,
        )
        question = _Question(
            "/v1/chat/completions",
            chosen,
            encode(payload),
            await self._fields_of(request.caller) | {"priority": _EXPLAIN_PRIORITY},
            deadlines,
            request.request_id,
            {"prompt": written},
            _chat_text,
            caller=request.caller,
            task="explain",
        )
        async with aclosing(self._ask(self._chat, question)) as deltas:
            yield deltas

    async def _fields_of(self, caller: Caller) -> dict[str, Any]:
        if not caller.tenant:
            return {}
        if not self._has_salt_key:
            raise _missing(self._config.cache_salt_key_env, "cache_salt_key_env", "a long random string")
        if not self._salts.ready:
            await asyncio.to_thread(self._salts.prepare)
        return {"cache_salt": self._salts.salt(caller.tenant)}

    def _payload(self, model: str, max_tokens: int, temperature: float) -> dict[str, Any]:
        return {
            "model": model,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        }

    async def _ask(self, client: ModelServerClient, question: _Question) -> AsyncGenerator[Delta]:
        """Ask, and once more for each refusal that names fields which can be left out."""
        while True:
            optional = self._optional[client].taken(question.optional)
            accepted = began = False
            try:
                asked = time.perf_counter()
                async with client.stream(
                    question.path,
                    _with_fields(question.body, optional),
                    question.deadlines,
                    request_id=question.request_id,
                ) as events:
                    accepted = True
                    question.stages["queue"] = _milliseconds_since(asked)
                    async with aclosing(_deltas(events, question, client.server)) as deltas:
                        async for delta in deltas:
                            began = True
                            yield delta
                return
            except EngineRefused as error:
                # vLLM refuses with a status or, when the stream has been opened already, with its first event.
                accepted = began
                if began or not self._optional[client].learn(error, optional):
                    raise
            finally:
                if accepted:
                    self._count_prompt(question)

    def _count_prompt(self, question: _Question) -> None:
        """Count what a model read, or will have read: a cancel mostly comes too late to spare it that."""
        if question.prompt_tokens:
            labels = (self.name, question.task, model_label(question.model), *caller_labels(question.caller))
            PROMPT_TOKENS.labels(*labels).inc(question.prompt_tokens)

    async def health(self) -> EngineHealth:
        """Ask whether the server is up and has the model. Never raises for the server's sake."""
        try:
            self._require_key()
            # vLLM answers /v1/models even when its engine has died; only /health tells. Other servers may lack it.
            status, _ = await self._completions.get_json("/health", timeout_seconds=self._health_seconds)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return EngineHealth(
                    available=False, detail=f"The model server at {self._completions.server} says it is not well"
                )
            models = await self._models(self._completions)
        except EngineError as error:
            return EngineHealth(available=False, detail=error.message, model=self._model, advice=error.advice)
        if self._model and self._model not in models:
            listed = ", ".join(models[:5]) or "none"
            return EngineHealth(
                available=False,
                detail=f"The model server at {self._completions.server} has no model {self._model}; it has: {listed}",
                model=self._model,
            )
        return EngineHealth(
            available=True,
            detail=f"The model server at {self._completions.server} is up",
            model=self._model or next(iter(models), ""),
            missing_models=self._teams.missing(models),
        )

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        await asyncio.gather(self._completions.close(), self._chat.close())

    def _client(self, url: str, uds: str) -> ModelServerClient:
        return ModelServerClient(
            url,
            uds=uds,
            api_key=self._api_key,
            connect_seconds=self._config.connect_seconds,
            connections=self._config.connections,
            use_proxy=self._config.use_proxy,
        )

    def _require_key(self) -> None:
        if self._config.api_key_env and not self._api_key:
            raise _missing(self._config.api_key_env, "api_key_env", "the API key of the model server")

    async def _first_model(self, client: ModelServerClient) -> str:
        models = await self._models(client)
        if not models:
            raise EngineRefused(
                f"The model server at {client.server} lists no model",
                advice="Load one, or name it in [engine.vllm] model.",
            )
        return models[0]

    async def _models(self, client: ModelServerClient) -> list[str]:
        status, document = await client.get_json("/v1/models", timeout_seconds=self._health_seconds)
        if status != HTTPStatus.OK:
            raise from_status(status, json.dumps(document).encode(), {}, server=client.server, secret=self._api_key)
        entries = document.get("data") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise EngineProtocolError(
                f"What answers at {client.server} does not list its models as the OpenAI API does",
                advice="Check `url` in [engine.vllm] of hearth.toml.",
            )
        served = [_served_model(entry) for entry in entries if isinstance(entry, dict) and "id" in entry]
        if self._learn is not None and client is self._completions and served:
            await self._learn(served, self._model or served[0].name)
        return [item.name for item in served]


@dataclass(slots=True)
class _Question:
    """What is asked of a server.

    Attributes:
        model: Who is asked.
        body: The request as JSON, without ``optional``.
        optional: Fields that the server may not know, and the answer is right without.
        stages: Milliseconds of what was done for it so far.
        text_of: Finds the text in a choice of an event.
        caller: On whose behalf.
        task: ``"complete"`` or ``"explain"``.
        prompt_tokens: Tokens of the prompt as far as known; what the server says of them counts.
    """

    path: str
    model: str
    body: bytes
    optional: dict[str, Any]
    deadlines: Deadlines
    request_id: str
    stages: dict[str, float]
    text_of: Callable[[dict[str, Any]], object]
    caller: Caller
    task: str
    prompt_tokens: int = 0


async def _nothing() -> AsyncIterator[Delta]:
    nothing: tuple[Delta, ...] = ()
    for delta in nothing:
        yield delta


async def _deltas(events: AsyncIterator[dict[str, Any]], question: _Question, server: str) -> AsyncGenerator[Delta]:
    """Turn events into deltas.

    Raises:
        EngineProtocolError: An event has not the expected shape, or the stream ends before the answer does.
    """
    finished = limited = False
    stages: Mapping[str, float] = question.stages
    tokens_so_far = tokens_told = 0
    async for event in events:
        usage = event.get("usage")
        if isinstance(usage, dict):
            tokens, read = usage.get("completion_tokens"), usage.get("prompt_tokens")
            if isinstance(tokens, int):
                tokens_so_far = max(tokens_so_far, tokens)
            if isinstance(read, int) and 0 <= read <= _MAX_PROMPT_TOKENS:
                question.prompt_tokens = read
        choices = event.get("choices")
        if not choices:
            continue  # the report on usage at the end
        choice = choices[0] if isinstance(choices, list) else None
        text = question.text_of(choice) if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(text, str):
            raise EngineProtocolError(
                f"The model server at {server} sent an event without text", advice="Is it a server of the OpenAI API?"
            )
        reason = choice.get("finish_reason")
        finished, limited = finished or reason is not None, limited or reason == "length"
        if text:
            yield Delta(text, tokens_so_far - tokens_told, model=question.model, stages=stages)
            tokens_told, stages = tokens_so_far, {}
    if not finished:
        raise EngineProtocolError(
            f"The model server at {server} ended its answer in the middle", advice="See the model server's own log."
        )
    if limited or tokens_so_far > tokens_told:
        yield Delta("", tokens_so_far - tokens_told, model=question.model, limited=limited, stages=stages)


def _with_fields(body: bytes, fields: dict[str, Any]) -> bytes:
    """Add fields to an object that is JSON already, whose prompt is long."""
    return body[:-1] + b"," + encode(fields)[1:] if fields else body


def _missing(variable: str, setting: str, value: str) -> EngineRefused:
    return EngineRefused(
        f"The environment variable {variable}, named by [engine.vllm] {setting}, is not set",
        advice=f"Set it to {value} before Hearth starts.",
    )


def _served_model(entry: dict[str, Any]) -> ServedModel:
    context = entry.get("max_model_len")
    return ServedModel(
        name=str(entry["id"]),
        root=str(entry.get("root") or ""),
        parent=str(entry.get("parent") or ""),
        context_tokens=context if isinstance(context, int) else 0,
        takes_token_ids=entry.get("owned_by") == "vllm",
    )


def _completion_text(choice: dict[str, Any]) -> object:
    return choice.get("text")


def _chat_text(choice: dict[str, Any]) -> object:
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return None
    # The first and the last event carry a role or a reason and no content, or null.
    return delta.get("content") or ""


def _milliseconds_since(moment: float) -> float:
    return round((time.perf_counter() - moment) * 1000, 3)
