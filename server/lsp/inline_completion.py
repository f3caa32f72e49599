"""``textDocument/inlineCompletion``: one suggestion at a time for each document, streamed when a client asks for it."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from lsprotocol import types

from server.completion import Replacement, SuggestionUpdate
from server.lsp.documents import Document, document_key
from server.lsp.partial_results import PartialResults
from server.lsp.protocol import InlineCompletionParams, Unless
from server.lsp.requests import CursorText, cursor_text, offer, prepare_completion
from server.lsp.session import HearthLanguageServer

log = logging.getLogger(__name__)

ACCEPTED_COMMAND = "hearth.accepted"


class InlineCompletions:
    """Answers requests; a new one for a document, or a change of it, ends the one before.

    What an engine is writing for the earlier one goes on as long as the user types what it says.
    """

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        self._running: dict[str, asyncio.Task[Any]] = {}
        server.handle(types.TEXT_DOCUMENT_INLINE_COMPLETION, self.complete, types.InlineCompletionOptions())

    def opened(self, document: Document) -> None:
        """Gather ahead for a document; where its cursor will be is not known yet."""
        if self._server.services is not None and self._server.services.config.completion.enabled:
            self._server.run_task(self._look_ahead(document), "look ahead")

    async def _look_ahead(self, document: Document) -> None:
        services = self._server.services
        if services is None:
            return
        moment = self._server.places.moment(document)
        text = cursor_text(document, types.Position(0, 0))
        prepared = await prepare_completion(self._server, moment, text)
        await services.completion.opened(prepared.request, self._server.id)

    def changed(self, document: Document) -> None:
        """End the request for the older text; its engine writes on if the change is what it says."""
        key = document_key(document.uri)
        self._supersede(key)
        if self._server.services is not None:
            self._server.services.completion.changed(key, lambda: document.text)

    def follower(self, uri: str) -> Callable[[Replacement], None] | None:
        """Return what follows the changes of a document, if anything that was suggested in it is followed."""
        key, services = document_key(uri), self._server.services
        if services is None or not services.completion.retention.follows(key):
            return None
        return functools.partial(services.completion.retention.replaced, key)

    def closed(self, uri: str) -> None:
        """End the request for a document, down to the engine's connection, and forget what was suggested in it."""
        key = document_key(uri)
        self._supersede(key)
        if self._server.services is not None:
            self._server.services.completion.closed(key)

    def _supersede(self, key: str) -> None:
        task = self._running.pop(key, None)
        if task is not None:
            task.cancel()

    async def complete(self, params: InlineCompletionParams) -> types.InlineCompletionList | Unless:
        """Suggest what could be inserted at the cursor; an empty list when there is nothing to say."""
        asked_at = time.perf_counter()
        uri = params.text_document.uri
        key = document_key(uri)
        self._supersede(key)
        document, services = self._server.documents.get(uri), self._server.services
        if document is None or services is None or not services.config.completion.enabled:
            return _items()
        if not self._server.may_complete():
            return _items()
        task = asyncio.current_task()
        if task is not None:
            self._running[key] = task
        version = document.version
        self._server.documents.touch(uri)

        def outdated() -> bool:
            return self._server.documents.get(uri) is not document or document.version != version

        try:
            moment = self._server.places.moment(document)
            text = cursor_text(document, params.position, params.context.selected_completion_info)
            prepared = await prepare_completion(self._server, moment, text)
            if not outdated():
                offer(services.completion, prepared, document, text)
            automatic = params.context.trigger_kind is types.InlineCompletionTriggerKind.Automatic
            partial = self._partial_results(params, outdated)
            try:
                async with services.completion.stream(
                    prepared.request,
                    recent_edits=prepared.recent_edits,
                    automatic=automatic,
                    asked_at=asked_at,
                    session=self._server.id,
                    document=key,
                    lead=text.selected,
                ) as updates:
                    final = await _forward(updates, partial, text)
            finally:
                if partial is not None:
                    partial.close()
            others: tuple[SuggestionUpdate, ...] = ()
            if final is not None and not automatic:
                others = await services.completion.alternatives(
                    prepared.request,
                    final,
                    recent_edits=prepared.recent_edits,
                    session=self._server.id,
                    lead=text.selected,
                )
            return Unless(_items(text, final, *others), _items(), outdated)
        finally:
            if self._running.get(key) is task:
                del self._running[key]

    def _partial_results(self, params: InlineCompletionParams, outdated: Any) -> PartialResults | None:
        token = params.partial_result_token
        if token is None:
            return None
        return PartialResults(
            lambda value: self._server.send_progress(token, value),
            outdated=outdated,
            waiting_bytes=self._server.protocol.write_buffer_bytes,
        )


async def _forward(updates: Any, partial: PartialResults | None, text: CursorText) -> SuggestionUpdate | None:
    """Send each update as a partial result; return the final one."""
    final: SuggestionUpdate | None = None
    shown = False
    async for update in updates:
        if update.final:
            final = update
        if partial is not None and (update.text or shown):
            partial.push(_items(text, update))
            shown = True
    if partial is not None:
        partial.flush()
    return final


def _items(text: CursorText | None = None, *updates: SuggestionUpdate | None) -> types.InlineCompletionList:
    """Return what there is to say at a cursor, the best first."""
    return types.InlineCompletionList(
        items=[
            types.InlineCompletionItem(
                insert_text=text.selected + update.text,
                range=text.range,
                command=types.Command(title="Accepted", command=ACCEPTED_COMMAND, arguments=[update.id, update.engine]),
            )
            for update in updates
            if text is not None and update is not None and update.text
        ]
    )
