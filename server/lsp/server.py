"""Puts the language server together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from server.lsp.code_actions import CodeActions
from server.lsp.completion_items import CompletionItems
from server.lsp.document_files import DocumentFiles, to_data_uri
from server.lsp.explanation import Explanations
from server.lsp.files import FileRequests
from server.lsp.hover import Hovers
from server.lsp.indexing import Indexing
from server.lsp.inline_completion import InlineCompletions
from server.lsp.lifecycle import Lifecycle
from server.lsp.local_workspace import LocalWorkspace
from server.lsp.remote_workspace import RemoteWorkspace
from server.lsp.search import SearchRequests
from server.lsp.services import Assemble
from server.lsp.session import HearthLanguageServer
from server.lsp.shown_documents import Publish
from server.lsp.status import Status
from server.lsp.symbols import WorkspaceSymbols
from server.lsp.synchronization import Synchronization
from server.lsp.telemetry import Telemetry


def create_server(assemble: Assemble) -> HearthLanguageServer:
    """Make a language server for an editor on this machine; :func:`server.lsp.stdio.run_stdio` runs it."""
    workspace, documents = LocalWorkspace(), DocumentFiles()
    server = HearthLanguageServer(assemble, workspace)
    status = Status(server)
    indexing = Indexing(server, status, workspace)

    def started() -> None:
        status.start()
        indexing.start()
        server.run_task(_warm_up(server, workspace), "warm-up")

    async def remove_documents() -> None:
        await asyncio.to_thread(documents.close)

    server.on_stop.append(remove_documents)
    _add_features(
        server, documents.publish, saved=indexing.look_soon, started=started, folders_changed=indexing.folders_changed
    )
    return server


def create_remote_server(assemble: Assemble, threads: Executor) -> HearthLanguageServer:
    """Make a language server for an editor on another machine, one of many in this process.

    Args:
        assemble: Builds the services, from parts that the servers share.
        threads: Where the blocking work of all of them runs.
    """
    server = HearthLanguageServer(assemble, RemoteWorkspace(), threads)
    _add_features(server, to_data_uri, started=Status(server).start)
    return server


def _add_features(
    server: HearthLanguageServer,
    publish: Publish,
    *,
    started: Callable[[], None],
    saved: Callable[[], None] = lambda: None,
    folders_changed: Callable[[], None] = lambda: None,
) -> None:
    Synchronization(server, InlineCompletions(server), saved)
    Telemetry(server)
    Explanations(server, publish)
    CodeActions(server)
    Hovers(server)
    WorkspaceSymbols(server)
    SearchRequests(server)
    FileRequests(server)
    Lifecycle(server, CompletionItems(server), started, folders_changed)


async def _warm_up(server: HearthLanguageServer, workspace: LocalWorkspace) -> None:
    services = server.services
    if services is not None and services.warm_up is not None:
        await server.in_thread(services.warm_up, list(workspace.folders.values()))
