"""Keeps the open documents as the editor has them."""

from __future__ import annotations

from collections.abc import Callable

from lsprotocol import types

from server.lsp.documents import Edit
from server.lsp.inline_completion import InlineCompletions
from server.lsp.session import HearthLanguageServer


class Synchronization:
    """``didOpen``, ``didChange``, ``didSave`` and ``didClose``.

    Args:
        server: The session.
        inline: Told of every change.
        saved: Called when a document was saved.
    """

    def __init__(
        self, server: HearthLanguageServer, inline: InlineCompletions, saved: Callable[[], None] = lambda: None
    ) -> None:
        self._server = server
        self._documents = server.documents
        self._inline = inline
        self._saved = saved
        server.handle(types.TEXT_DOCUMENT_DID_OPEN, self.did_open)
        server.handle(types.TEXT_DOCUMENT_DID_CHANGE, self.did_change)
        server.handle(types.TEXT_DOCUMENT_DID_SAVE, self.did_save)
        server.handle(types.TEXT_DOCUMENT_DID_CLOSE, self.did_close)

    def did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Take a document over."""
        item = params.text_document
        self._inline.closed(item.uri)
        language = str(getattr(item.language_id, "value", item.language_id))
        self._inline.opened(self._documents.open(item.uri, language, item.version, item.text))

    def did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Apply changes; a suggestion for the older text is given up unless it says just what was typed."""
        identifier = params.text_document
        edits = [_edit(item) for item in params.content_changes]
        replaced = self._inline.follower(identifier.uri)
        document = self._documents.change(identifier.uri, identifier.version, edits, replaced)
        if document is not None:
            self._inline.changed(document)

    def did_save(self, params: types.DidSaveTextDocumentParams) -> None:
        """A save often comes before a commit: look at the repositories soon."""
        self._saved()

    def did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """The file on disk, as indexed, counts again."""
        uri = params.text_document.uri
        self._inline.closed(uri)
        self._documents.close(uri)


def _edit(change: types.TextDocumentContentChangeEvent) -> Edit:
    if isinstance(change, types.TextDocumentContentChangePartial):
        start, end = change.range.start, change.range.end
        return Edit(change.text, (start.line, start.character), (end.line, end.character))
    return Edit(change.text)
