"""``textDocument/completion`` for clients that know no inline completion: the same suggestion as one item."""

from __future__ import annotations

from lsprotocol import types

from server.lsp.documents import document_key
from server.lsp.inline_completion import ACCEPTED_COMMAND
from server.lsp.requests import cursor_text, offer, prepare_completion
from server.lsp.session import HearthLanguageServer

_LABEL_LENGTH = 60


class CompletionItems:
    """Offered only when :meth:`offer` was called."""

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server

    def offer(self) -> None:
        """Register; called while the client's capabilities are looked at."""
        options = types.CompletionOptions(trigger_characters=[".", "(", " ", "=", ":"])
        self._server.handle(types.TEXT_DOCUMENT_COMPLETION, self.complete, options)

    async def complete(self, params: types.CompletionParams) -> types.CompletionList:
        """Suggest; the list is incomplete, so that the client asks again at the next key."""
        nothing = types.CompletionList(is_incomplete=True, items=[])
        document, services = self._server.documents.get(params.text_document.uri), self._server.services
        if document is None or services is None or not services.config.completion.enabled:
            return nothing
        if not self._server.may_complete():
            return nothing
        version = document.version
        self._server.documents.touch(document.uri)
        moment = self._server.places.moment(document)
        text = cursor_text(document, params.position)
        prepared = await prepare_completion(self._server, moment, text)
        if document.version == version:
            offer(services.completion, prepared, document, text)
        final = None
        async with services.completion.stream(
            prepared.request,
            recent_edits=prepared.recent_edits,
            session=self._server.id,
            document=document_key(document.uri),
        ) as updates:
            async for update in updates:
                if document.version != version:
                    return nothing
                final = update
        if final is None or not final.text or document.version != version:
            return nothing
        # The client filters by what stands before the cursor, so that the item has to begin with it.
        line = text.prefix[max(text.prefix.rfind("\n"), text.prefix.rfind("\r")) + 1 :]
        word = line[len(line.rstrip(_WORD_CHARACTERS)) :]
        label = (word + final.text).strip().splitlines()[0]
        item = types.CompletionItem(
            label=label if len(label) <= _LABEL_LENGTH else label[: _LABEL_LENGTH - 1] + "…",
            label_details=types.CompletionItemLabelDetails(description="Hearth"),
            kind=types.CompletionItemKind.Text,
            filter_text=word + final.text,
            sort_text="0",
            insert_text_format=types.InsertTextFormat.PlainText,
            text_edit=types.TextEdit(range=text.range, new_text=final.text),
            command=types.Command(title="Accepted", command=ACCEPTED_COMMAND, arguments=[final.id, final.engine]),
        )
        return types.CompletionList(is_incomplete=True, items=[item])


_WORD_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
