"""``hearth serve``: the team server, put together from its parts."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import attrs

from indexer.errors import IndexCorrupt, IndexerError
from indexer.private import make_all_private
from indexer.queue import Queue
from indexer.queue.registration import configured_repositories
from indexer.worker import upgrade_index
from indexer.worker.dispatch import Dispatcher, JobEvent
from server.accounts import Accounts
from server.accounts.sign_ins import SignIns
from server.cli.assembly import Program, allowed_formats, assemble
from server.cli.engine import launched_servers
from server.cli.logs import start_service_log
from server.cli.provider import open_provider
from server.cli.traces import JobTraces, traced
from server.completion import CompletionService
from server.config import HearthConfig
from server.event_loop import prefer_event_loop, watched_event_loop
from server.explain import Explainer
from server.gateway.access import Gatekeeper
from server.gateway.application import make_application
from server.gateway.audit import Audit
from server.gateway.audited_engine import AuditedEngine
from server.gateway.backlog import watch_backlog
from server.gateway.benchmarks import Benchmarks
from server.gateway.limits import RateLimits
from server.gateway.outbox import Outbox
from server.gateway.parts import Parts
from server.gateway.readings import Readings
from server.gateway.registry import Registry
from server.gateway.serving import check_address, serve_until_signal
from server.gateway.sessions import Session, Sessions
from server.gateway.tls import Certificate
from server.history import History, recording
from server.lsp.connection import Connection
from server.lsp.server import create_remote_server
from server.lsp.services import Services, StartOptions
from server.principal import Principal
from server.signals import Signal

_log = logging.getLogger(__name__)

_THREADS = 8
_CONTEXT_THREADS = 2
"""Gathering keeps the one interpreter busy: with more threads at it, the event loop would wait for its turn longer."""
_REFRESH_SECONDS = 1.0


def serve_team(config: HearthConfig, *, host: str | None = None, port: int | None = None) -> None:
    """Serve until told to stop.

    Args:
        config: All settings.
        host: Listen here instead of where the settings say.
        port: As ``host``.

    Raises:
        ConfigError: The address is not one to listen on, or the certificate or a file of models cannot be used.
        EngineRefused: The licence of a model is not allowed.
        AccountsError: The accounts cannot be read.
        EngineUnavailable: The model servers that it should launch cannot be started.
    """
    allowed_formats(config)
    make_all_private()
    chosen = attrs.evolve(
        config.server,
        host=config.server.host if host is None else host,
        port=config.server.port if port is None else port,
    )
    # To standard error, which whatever runs the server collects.
    start_service_log(config.log, logging.StreamHandler())
    prefer_event_loop()
    asyncio.run(_serve(attrs.evolve(config, server=chosen)))


async def _serve(config: HearthConfig) -> None:
    vllm = config.engine.vllm
    async with AsyncExitStack() as stack:
        stack.enter_context(traced(config.tracing))
        accounts = stack.enter_context(Accounts(config.data.directory))
        provider = open_provider(config.server)
        check_address(config.server, accounts=provider is not None or not accounts.reader.empty())
        if provider is not None:
            stack.push_async_callback(provider.close)
            stack.callback(asyncio.create_task(provider.watch()).cancel)
        certificate = Certificate(config.server.tls) if config.server.tls.certificate else None
        audit = Audit(config.data.directory, config.server.audit)
        stack.callback(audit.close)
        program = await asyncio.to_thread(_assemble, config)
        stack.push_async_callback(program.close)
        threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hearth-serve")
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)
        context_threads = ThreadPoolExecutor(_CONTEXT_THREADS, thread_name_prefix="hearth-context")
        stack.callback(context_threads.shutdown, wait=False, cancel_futures=True)
        shared = Shared(program, threads, context_threads, audit)
        history = History(config.data.directory, config.server.history)
        stack.callback(history.close)
        readings = Readings(history)
        stack.callback(readings.close)
        queue = await asyncio.to_thread(Queue, config.data.directory)
        stack.callback(queue.close)
        configured = await asyncio.to_thread(configured_repositories, config.repository, config.repositories)
        dispatcher = Dispatcher(
            config.data.directory,
            config.index,
            config.repositories,
            queue,
            configured=configured,
            listener=shared.note_job,
        )
        for work in (shared.follow_index(), shared.follow_engine(), watch_backlog(queue, threads)):
            stack.callback(asyncio.create_task(work).cancel)
        # Looking through all modules, words and grammars again at every full collection would stop the server.
        gc.freeze()
        sessions = Sessions(shared.open_session, config.server.limits, audit, shared.published_names)
        gate = Gatekeeper(
            accounts.reader,
            shared.published_repositories,
            RateLimits(config.server.limits),
            everyone_reads=config.server.everyone_reads,
            provider=provider is not None,
            teams=tuple(dict.fromkeys((*vllm.teams, *vllm.chat_teams, *config.server.teams))),
        )
        benchmarks = Benchmarks(config, program.index, audit, threads)
        parts = Parts(
            config=config.server,
            data=config.data.directory,
            accounts=accounts,
            gate=gate,
            provider=provider,
            sign_ins=stack.enter_context(SignIns(config.data.directory)),
            sessions=sessions,
            audit=audit,
            index=program.index,
            ladder=program.ladder,
            prompts=program.prompts,
            model=shared.model_name,
            threads=threads,
            queue=queue,
            registry=Registry(queue, config.repositories, audit, lambda: dispatcher.current),
            benchmarks=benchmarks,
            secrets=config.repositories.webhooks,
            downloads=config.data.directory / "downloads",
            readings=readings,
        )
        stack.push_async_callback(benchmarks.runner.close)
        if gate.open:
            _log.warning("there are no accounts: whoever works on this machine may use the server and read the index")
        async with (
            launched_servers(config),
            dispatcher,
            watched_event_loop(),
            recording(history, config.server.history),
        ):
            await serve_until_signal(
                make_application(parts), sessions, config.server, certificate=certificate, listening=_say
            )


def _assemble(config: HearthConfig) -> Program:
    """Put the program together on an index that this Hearth can read."""
    try:
        upgrade_index(config.data.directory)
    except IndexCorrupt:
        pass  # It is mended when it is opened.
    except IndexerError as error:
        _log.error("the index cannot be brought up to date: %s", error)
    return assemble(config, tolerant=True)


@dataclass
class Shared:
    """What all sessions have in common.

    Attributes:
        program: The parts.
        threads: Where blocking work of all sessions runs.
        context_threads: Where context for completions is gathered.
        audit: Where the use of engines is written down.
        published: Told when the index shows something new.
    """

    program: Program
    threads: Executor
    context_threads: Executor
    audit: Audit
    published: Signal[[]] = field(default_factory=Signal)
    _model: str = ""
    _fresh: asyncio.Event = field(default_factory=asyncio.Event)
    _job_traces: JobTraces = field(default_factory=JobTraces)
    _names: tuple[int, frozenset[str]] = (-1, frozenset())

    def __post_init__(self) -> None:
        """Put what writes down who asks before the engines."""
        self._engine = AuditedEngine(self.program.ladder, self.audit, self.model_name)
        self._explainer = Explainer(self.program.index, self._engine, self.program.config.explain)

    def open_session(self, principal: Principal, outbox: Outbox) -> Session:
        """Make a language server for one editor."""
        return Connection(create_remote_server(self._services_for(principal), self.threads), outbox)

    def model_name(self) -> str:
        """Return the name of the model behind the best engine, as far as known."""
        return self._model

    def published_repositories(self) -> tuple[int, frozenset[str]]:
        """Return the names of the published repositories, and a number that changes with them."""
        index = self.program.index
        if index is None:
            return 0, frozenset()
        snapshot = index.snapshot()
        if self._names[0] != snapshot.generation:
            # Asked for every session, and several times for each of its requests.
            self._names = snapshot.generation, frozenset(ref.repository for ref in snapshot.refs)
        return self._names

    def published_names(self) -> frozenset[str]:
        """Return the names of the published repositories."""
        return self.published_repositories()[1]

    def note_job(self, event: JobEvent) -> None:
        """Look at the index as soon as a job of this process publishes, and trace it."""
        self._job_traces.note(event)
        if event.progress is not None and event.progress.stage == "publish":
            self._fresh.set()

    async def follow_index(self) -> None:
        """Show what is published: at once when a job says so, else, if others index, within a second."""
        index = self.program.index
        failing = False
        while index is not None:
            try:
                if await asyncio.get_running_loop().run_in_executor(self.threads, index.refresh):
                    self.published()
                failing = False
            except IndexerError as error:
                if not failing:
                    _log.error("the index cannot be read again: %s", error)
                failing = True
            with suppress(TimeoutError):
                async with asyncio.timeout(_REFRESH_SECONDS):
                    await self._fresh.wait()
            self._fresh.clear()

    async def follow_engine(self) -> None:
        """Keep the name of the model, which may differ whenever the model server comes back."""
        changed = asyncio.Event()
        disconnect = self.program.ladder.changed.connect(lambda _rung, _detail: changed.set())
        try:
            while True:
                changed.clear()
                self._model = (await self.program.ladder.health()).model
                await changed.wait()
        finally:
            disconnect()

    def _services_for(self, principal: Principal) -> Callable[[StartOptions], Services]:
        program, config = self.program, self.program.config

        def services(_: StartOptions) -> Services:
            completion = CompletionService(
                program.gatherer,
                self._engine,
                config.completion,
                config.context,
                threads=self.context_threads,
                propose=program.embedded.propose if program.embedded is not None else None,
            )

            async def close() -> None:
                completion.close()

            return Services(
                config=config,
                index=program.index,
                completion=completion,
                explainer=self._explainer,
                ladder=program.ladder,
                prompts=program.prompts,
                principal=principal,
                published=self.published,
                close=close,
                problem=program.problem,
            )

        return services


def _say(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
