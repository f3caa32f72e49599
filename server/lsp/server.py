"""Puts the language server together."""

from __future__ import annotations

from server.lsp.code_actions import CodeActions
from server.lsp.completion_items import CompletionItems
from server.lsp.explanation import Explanations
from server.lsp.hover import Hovers
from server.lsp.indexing import Indexing
from server.lsp.inline_completion import InlineCompletions
from server.lsp.lifecycle import Lifecycle
from server.lsp.search import SearchRequests
from server.lsp.services import Assemble
from server.lsp.session import HearthLanguageServer
from server.lsp.status import Status
from server.lsp.symbols import WorkspaceSymbols
from server.lsp.synchronization import Synchronization
from server.lsp.telemetry import Telemetry


def create_server(assemble: Assemble) -> HearthLanguageServer:
    """Make a language server with all its features; :func:`server.lsp.stdio.run_stdio` runs it."""
    server = HearthLanguageServer(assemble)
    status = Status(server)
    indexing = Indexing(server, status)
    inline = InlineCompletions(server)
    Synchronization(server, inline, indexing)
    Telemetry(server)
    Explanations(server)
    CodeActions(server)
    Hovers(server)
    WorkspaceSymbols(server)
    SearchRequests(server)
    Lifecycle(server, status, indexing, CompletionItems(server))
    return server
