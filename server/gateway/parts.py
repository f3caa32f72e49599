"""What the team server is made of, put together by whoever starts it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from indexer.api import Index
from indexer.config import WebhookSecrets
from indexer.queue import Queue
from server.accounts import Accounts
from server.accounts.sign_ins import SignIns
from server.config import ServerConfig
from server.engine.ladder import Ladder
from server.gateway.access import Gatekeeper
from server.gateway.audit import Audit
from server.gateway.benchmarks import Benchmarks
from server.gateway.readings import Readings
from server.gateway.registry import Registry
from server.gateway.sessions import Sessions
from server.oidc import Provider
from server.prompt import ModelPrompts


@dataclass(frozen=True, slots=True)
class Parts:
    """What the team server is made of.

    Attributes:
        config: Its settings.
        data: The data directory.
        accounts: Users, groups and tokens.
        gate: Recognises visitors.
        provider: Says who people are that sign in at it; None without one.
        sign_ins: Who is signed in to the pages.
        sessions: Connected editors.
        audit: Where is written down who did what.
        index: The read side of the index; None when it cannot be opened.
        ladder: The engines.
        prompts: How the models of the model server want to be asked; None without one.
        model: Returns the name of the model behind the best engine, as far as known.
        threads: Where blocking work runs.
        queue: Where the news of pushes goes.
        registry: What administrators do with repositories.
        benchmarks: What they do with benchmark runs.
        secrets: Where the secrets of webhooks are.
        downloads: Directory of the plugins that are handed out.
        readings: What the metrics were over time.
    """

    config: ServerConfig
    data: Path
    accounts: Accounts
    gate: Gatekeeper
    provider: Provider | None
    sign_ins: SignIns
    sessions: Sessions
    audit: Audit
    index: Index | None
    ladder: Ladder
    prompts: ModelPrompts | None
    model: Callable[[], str]
    threads: Executor
    queue: Queue
    registry: Registry
    benchmarks: Benchmarks
    secrets: WebhookSecrets
    downloads: Path
    readings: Readings
