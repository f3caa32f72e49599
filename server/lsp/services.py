"""What the language server is made of; put together in one place by the command line, or by a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer.api import Index
from indexer.types import IndexJob, IndexReport, Progress
from server.completion import CompletionService
from server.config import HearthConfig
from server.engine.ladder import Ladder
from server.explain import Explainer
from server.principal import Owner, Principal
from server.prompt import ModelPrompts
from server.signals import Signal

RunIndexJob = Callable[[IndexJob], AsyncIterator[Progress | IndexReport]]
"""Run one job in a process of its own; closing the iterator ends the process. Raises ``IndexerError``."""


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What the client asked for in ``initializationOptions``; ``None`` leaves what the command line said."""

    data: Path | None = None
    config: Path | None = None
    auto_index: bool | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """The parts behind the protocol.

    Attributes:
        config: All settings in force.
        index: The read side of the index; ``None`` when it cannot be opened: open files still complete.
        completion: Streams suggestions.
        explainer: Streams explanations.
        ladder: The engines; tells which one is in use.
        prompts: How the models of the model server want to be asked; ``None`` without one.
        principal: Who is served.
        published: Told when the index shows something new; ``None`` where the session looks for itself.
        run_index_job: Brings a repository up to date; ``None`` where that is another's work.
        warm_up: Given the folders of the workspace, does ahead what the first completion would wait for. Blocks.
        auto_index: Whether repositories of the workspace are indexed without being asked.
        problem: What could not be started, for people; shown once.
        close: Ends what the parts started. Called once, last.
    """

    config: HearthConfig
    index: Index | None
    completion: CompletionService
    explainer: Explainer
    ladder: Ladder
    close: Callable[[], Awaitable[None]]
    prompts: ModelPrompts | None = None
    principal: Principal = field(default_factory=Owner)
    published: Signal[[]] | None = None
    run_index_job: RunIndexJob | None = None
    warm_up: Callable[[Sequence[Path]], None] | None = None
    auto_index: bool = True
    problem: str = ""


Assemble = Callable[[StartOptions], Services]
"""Build the services; called once, in a thread, at ``initialize``. Raises ``IndexerError``."""
