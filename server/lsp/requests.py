"""From the protocol's positions to requests in Python's terms; shared by both kinds of completion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from lsprotocol import types

from server.completion import CompletionService
from server.context import RecentEdit
from server.correlation import REQUEST_ID, new_request_id
from server.lsp.documents import Document, Place, document_key
from server.lsp.session import HearthLanguageServer
from server.lsp.workspace import Moment
from server.types import CompletionRequest


@dataclass(frozen=True, slots=True)
class CursorText:
    """The text around a cursor, and the range that a suggestion replaces.

    ``selected`` is the text of the editor's own completion list that stands in for the range; a suggestion continues
    it. ``start`` is where the range begins.
    """

    prefix: str
    suffix: str
    range: types.Range
    start: Place
    selected: str = ""


class PreparedCompletion(NamedTuple):
    """What the completion service is called with."""

    request: CompletionRequest
    recent_edits: tuple[RecentEdit, ...]


def cursor_text(
    document: Document, position: types.Position, selected: types.SelectedCompletionInfo | None = None
) -> CursorText:
    """Cut the document at the cursor. On the event loop: the document must not change meanwhile."""
    place = document.place(position.line, position.character)
    if selected is None:
        prefix, suffix = document.split_at(place)
        return CursorText(prefix, suffix, _range(document, place, place), place)
    start = document.place(selected.range.start.line, selected.range.start.character)
    end = max(place, document.place(selected.range.end.line, selected.range.end.character))
    prefix, _ = document.split_at(start)
    _, suffix = document.split_at(end)
    return CursorText(prefix + selected.text, suffix, _range(document, start, end), start, selected.text)


async def prepare_completion(server: HearthLanguageServer, moment: Moment, text: CursorText) -> PreparedCompletion:
    """Locate the documents and put the request together, under an id of its own from here on.

    What the caller's task logs from now on says that id.
    """
    REQUEST_ID.set(new_request_id())
    index = server.services.index if server.services is not None else None
    if server.places.locates_at_once(moment, index, server.principal.readable):
        # As it is at nearly every key: to wake a thread and be woken by it takes longer.
        around = server.places.surroundings(moment, index, server.principal)
    else:
        around = await server.in_thread(server.places.surroundings, moment, index, server.principal)
    request = CompletionRequest(
        path=around.address.path,
        repository=around.address.repository,
        ref=around.address.ref,
        language=around.language,
        prefix=text.prefix,
        suffix=text.suffix,
        scope=around.scope,
        open_files=around.open_files,
        caller=replace(around.caller, editor=server.editor),
        request_id=REQUEST_ID.get(),
    )
    return PreparedCompletion(request, around.recent_edits)


def offer(completion: CompletionService, prepared: PreparedCompletion, document: Document, text: CursorText) -> None:
    """Let it be followed what becomes of the suggestion that is about to be made; the document is as it was cut."""
    place = text.start.line, text.start.column
    completion.retention.offered(prepared.request.request_id, document_key(document.uri), place, lambda: document.lines)


def _range(document: Document, start: Place, end: Place) -> types.Range:
    return types.Range(
        start=types.Position(*document.client_position(start)), end=types.Position(*document.client_position(end))
    )
