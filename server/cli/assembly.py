"""The one place where the program is put together: settings in, parts that know each other out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from indexer.api import Index
from indexer.errors import IndexCorrupt, IndexerError
from indexer.worker.damage import mend_index
from server.completion import CompletionService
from server.config import HearthConfig, engine_directory
from server.context import ContextGatherer
from server.engine.embedded import EmbeddedEngine
from server.engine.ladder import Ladder
from server.errors import EngineUnavailable
from server.explain import Explainer
from server.prompt import FormatRegistry, ModelPrompts
from server.types import Engine, Rung

SALT_KEY = "cache_salt.key"
"""File in the data directory with the key that keeps tenants apart."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """All parts of a running Hearth, for one user.

    Attributes:
        config: All settings in force.
        index: The read side of the index; None when it cannot be opened.
        ladder: The engines, best first.
        embedded: The engine made from the index; None when ``[engine] order`` leaves it out.
        gatherer: Finds context for completions.
        completion: Streams suggestions as the editor shows them.
        explainer: Streams explanations.
        prompts: How the models of the model server want to be asked; None without one.
        problem: What could not be started, for people; empty when all is well.
    """

    config: HearthConfig
    index: Index | None
    ladder: Ladder
    embedded: EmbeddedEngine | None
    gatherer: ContextGatherer
    completion: CompletionService
    explainer: Explainer
    prompts: ModelPrompts | None = None
    problem: str = ""

    async def close(self) -> None:
        """End what the parts started, in the reverse order of how they depend on each other. Idempotent."""
        self.completion.close()
        await asyncio.to_thread(self.gatherer.close)
        await self.ladder.close()
        if self.index is not None:
            self.index.close()


def assemble(config: HearthConfig, *, only: Rung | None = None, tolerant: bool = False) -> Program:
    """Put the program together. Reads files, so call it off the event loop or before there is one.

    Args:
        config: All settings.
        only: Use this engine alone; None means those of ``[engine] order``.
        tolerant: Go on without an index that cannot be opened or a model that is refused, and say so in ``problem``.

    Raises:
        IndexerError: The index cannot be opened, or the model is refused, and ``tolerant`` is off.
        EngineUnavailable: ``only`` names an engine that is not configured.
    """
    problems: list[str] | None = [] if tolerant else None
    index = _open_index(config, problems)
    try:
        prompts = _prompts(config, only, problems)
        embedded, ladder = _engines(config, index, only, prompts)
    except BaseException:
        if index is not None:
            index.close()
        raise
    gatherer = ContextGatherer(index, config.context)
    return Program(
        config=config,
        index=index,
        ladder=ladder,
        embedded=embedded,
        gatherer=gatherer,
        completion=CompletionService(
            gatherer, ladder, config.completion, config.context, propose=embedded.propose if embedded else None
        ),
        explainer=Explainer(index, ladder, config.explain),
        prompts=prompts,
        problem="\n".join(problems or ()),
    )


@asynccontextmanager
async def running(config: HearthConfig, *, only: Rung | None = None) -> AsyncIterator[Program]:
    """Put the program together for the length of a context.

    Raises:
        IndexerError: As :func:`assemble`.
    """
    program = await asyncio.to_thread(assemble, config, only=only)
    try:
        yield program
    finally:
        await program.close()


def make_vllm(config: HearthConfig, prompts: ModelPrompts) -> Engine:
    """Make the engine that asks a model server, with the prompts of its model's family."""
    # Without a model server nothing speaks HTTP, and its client takes a seventh of the time to start.
    from server.engine.vllm import VllmEngine  # noqa: PLC0415  # see above

    engine = VllmEngine(
        config.engine.vllm,
        config.explain,
        write_prompt=prompts.write,
        write_explanation=prompts.write_explanation,
        learn=prompts.learn,
        salt_key_file=config.data.directory / SALT_KEY,
    )
    if not config.engine.launch:
        return engine
    from server.engine.launch.engine import LaunchedEngine  # noqa: PLC0415  # as above

    return LaunchedEngine(engine, engine_directory(config.data.directory))


def allowed_formats(config: HearthConfig) -> FormatRegistry:
    """Return the families of models that are known, having looked at the models that the settings name.

    Raises:
        ConfigError: A file of models has a problem.
        EngineRefused: The licence of a model that would be used is not allowed.
    """
    formats = FormatRegistry.load(config.models)
    if Rung.VLLM in config.engine.order and config.engine.vllm.configured:
        formats.require_configured_allowed(config.engine.vllm)
    return formats


def _engines(
    config: HearthConfig, index: Index | None, only: Rung | None, prompts: ModelPrompts | None
) -> tuple[EmbeddedEngine | None, Ladder]:
    embedded: EmbeddedEngine | None = None
    engines: list[tuple[Rung, Engine]] = []
    for rung in config.engine.order if only is None else (only,):
        if rung is Rung.VLLM and prompts is not None:
            engines.append((rung, make_vllm(config, prompts)))
        elif rung is Rung.EMBEDDED:
            embedded = EmbeddedEngine(index, config.engine.embedded)
            engines.append((rung, embedded))
    if only is not None and not engines:
        raise EngineUnavailable(
            "No model server is configured",
            advice="Set `url` in [engine.vllm] of hearth.toml, or use --engine embedded.",
        )
    return embedded, Ladder(engines, config.engine)


def _prompts(config: HearthConfig, only: Rung | None, problems: list[str] | None) -> ModelPrompts | None:
    """Return None when no model server is configured, or its model is not allowed."""
    if Rung.VLLM not in (config.engine.order if only is None else (only,)) or not config.engine.vllm.configured:
        return None
    try:
        return ModelPrompts(allowed_formats(config), config)
    except IndexerError as error:
        if problems is None:
            raise
        _log.error("the model is not used: %s", error)
        problems.append(f"{error} {error.advice}".rstrip())
        return None


def _open_index(config: HearthConfig, problems: list[str] | None) -> Index | None:
    data = config.data.directory
    try:
        if problems is None:
            return Index.open(data, config.index)
        try:
            return Index.open(data, config.index)
        except IndexCorrupt:
            # An editor is better served by an index that is made anew than by none.
            mend_index(data, config.index)
            return Index.open(data, config.index)
    except IndexerError as error:
        if problems is None:
            raise
        _log.error("the index cannot be opened: %s", error)
        problems.append(str(error))
        return None
