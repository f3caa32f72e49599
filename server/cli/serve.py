"""``hearth serve``."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

import attrs

from indexer.queue import Queue
from indexer.queue.registration import configured_repositories
from indexer.worker.dispatch import Dispatcher, JobEvent
from server.cli.assembly import Program, allowed_formats, assemble
from server.completion import CompletionService
from server.config import HearthConfig
from server.gateway.application import make_application
from server.gateway.news import News
from server.gateway.serving import serve_until_signal
from server.gateway.sessions import Outbox, Session, Sessions
from server.lsp.connection import Connection
from server.lsp.server import create_remote_server
from server.lsp.services import Services, StartOptions
from server.principal import Owner, Principal
from server.signals import Signal

_THREADS = 8
_SWITCH_SECONDS = 0.001
_REFRESH_SECONDS = 1.0


def serve_team(config: HearthConfig, *, host: str | None = None, port: int | None = None) -> None:
    """Serve until told to stop.

    Args:
        config: All settings.
        host: Listen here instead of where the settings say.
        port: As ``host``.

    Raises:
        ConfigError: A file of models has a problem.
        EngineRefused: The licence of a model is not allowed.
    """
    allowed_formats(config)
    chosen = attrs.evolve(
        config.server,
        host=config.server.host if host is None else host,
        port=config.server.port if port is None else port,
    )
    config = attrs.evolve(config, server=chosen)
    # Threads that search hold the interpreter for up to this long at a time; the event loop has to get its turn.
    sys.setswitchinterval(_SWITCH_SECONDS)
    asyncio.run(_serve(config))


async def _serve(config: HearthConfig) -> None:
    program = await asyncio.to_thread(assemble, config, tolerant=True)
    queue = await asyncio.to_thread(Queue, config.data.directory)
    configured = await asyncio.to_thread(configured_repositories, config.repository, config.repositories)
    fresh = asyncio.Event()

    def follow(event: JobEvent) -> None:
        if event.progress is not None and event.progress.stage == "publish":
            fresh.set()

    dispatcher = Dispatcher(
        config.data.directory, config.index, config.repositories, queue, configured=configured, listener=follow
    )
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hearth-serve")
    published: Signal[[]] = Signal()
    gc.freeze()

    def open_session(principal: Principal, outbox: Outbox) -> Session:
        return Connection(
            create_remote_server(shared_services(program, threads, published, principal), threads), outbox
        )

    sessions = Sessions(open_session, max_message_bytes=1 << 24, max_unread_bytes=1 << 23)
    news = News(queue, config.repositories.webhooks, lambda _request: Owner(), threads)
    refreshing = asyncio.create_task(_refresh(program, threads, published, fresh), name="refresh")
    try:
        async with dispatcher:
            await serve_until_signal(
                make_application(sessions, news),
                sessions,
                host=config.server.host,
                port=config.server.port,
                listening=_say,
            )
    finally:
        refreshing.cancel()
        await program.close()
        queue.close()
        threads.shutdown(wait=False, cancel_futures=True)


def shared_services(
    program: Program, threads: Executor, published: Signal[[]], principal: Principal
) -> Callable[[StartOptions], Services]:
    """Return what makes the services of one session: its own runs and records over the program's shared parts."""

    def services(_: StartOptions) -> Services:
        completion = CompletionService(
            program.gatherer,
            program.ladder,
            program.config.completion,
            program.config.context,
            threads=threads,
            propose=program.embedded.propose if program.embedded is not None else None,
        )

        async def close() -> None:
            completion.close()

        return Services(
            config=program.config,
            index=program.index,
            completion=completion,
            explainer=program.explainer,
            ladder=program.ladder,
            principal=principal,
            published=published,
            close=close,
            problem=program.problem,
        )

    return services


def _say(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()


async def _refresh(program: Program, threads: Executor, published: Signal[[]], fresh: asyncio.Event) -> None:
    """Show what is published: at once when the dispatcher says so, else, if others index, within a second."""
    while program.index is not None:
        if await asyncio.get_running_loop().run_in_executor(threads, program.index.refresh):
            published()
        with suppress(TimeoutError):
            async with asyncio.timeout(_REFRESH_SECONDS):
                await fresh.wait()
        fresh.clear()
