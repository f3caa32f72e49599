"""The language server: the only part of Hearth that knows the Language Server Protocol."""

from server.lsp.server import create_server
from server.lsp.services import Assemble, RunIndexJob, Services, StartOptions
from server.lsp.session import HearthLanguageServer
from server.lsp.stdio import run_stdio

__all__ = [
    "Assemble",
    "HearthLanguageServer",
    "RunIndexJob",
    "Services",
    "StartOptions",
    "create_server",
    "run_stdio",
]
