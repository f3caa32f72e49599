"""Lets an editor open a document, for those that make nothing of what a command answers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from server.lsp.session import HearthLanguageServer

log = logging.getLogger(__name__)

Publish = Callable[[str], str]
"""Put Markdown where the editor, or ``hearth connect`` beside it, finds it, and return its URI. Blocks."""


async def show_document(server: HearthLanguageServer, publish: Publish, text: str) -> None:
    """Let the editor open a document, or show its text as a message where it cannot."""
    window = server.client_capabilities.window
    if window is not None and window.show_document is not None and window.show_document.support:
        try:
            uri = await server.in_thread(publish, text)
            shown = await server.window_show_document_async(types.ShowDocumentParams(uri=uri, take_focus=True))
            if shown.success:
                return
            log.warning("the editor did not open a document")
        except (OSError, JsonRpcException) as error:
            log.warning("the editor did not open a document: %s", error)
    server.show(text, types.MessageType.Info)
