"""``textDocument/hover``: signature, documentation and uses of the name under the pointer."""

from __future__ import annotations

import re

from lsprotocol import types

from server.explain import HoverTarget, hover_at
from server.lsp.documents import Place
from server.lsp.session import HearthLanguageServer
from server.principal import Work


class Hovers:
    """Answers hovers from the index and the open documents."""

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        server.handle(types.TEXT_DOCUMENT_HOVER, self.hover)

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """Describe a name, or nothing."""
        server = self._server
        document, services = server.documents.get(params.text_document.uri), server.services
        if document is None or services is None:
            return None
        server.permit(Work.HOVER)
        place = document.place(params.position.line, params.position.character)
        moment, version = server.places.moment(document), document.version
        around = await server.in_thread(server.places.surroundings, moment, services.index, server.principal)
        target = HoverTarget(
            path=around.address.path,
            repository=around.address.repository,
            ref=around.address.ref,
            language=around.language,
            text=moment.current.text,
            line=place.line + 1,
            column=place.column,
            scope=around.scope,
            open_files=around.open_files,
        )
        found = await server.in_thread(hover_at, services.index, target)
        if found is None or document.version != version:
            return None
        line = found.line - 1
        start = document.client_position(Place(line, found.start_column))
        end = document.client_position(Place(line, found.end_column))
        return types.Hover(
            contents=self._contents(found.markdown),
            range=types.Range(types.Position(*start), types.Position(*end)),
        )

    def _contents(self, markdown: str) -> types.MarkupContent:
        documents = self._server.client_capabilities.text_document
        formats = documents and documents.hover and documents.hover.content_format
        if formats and types.MarkupKind.Markdown not in formats:
            return types.MarkupContent(kind=types.MarkupKind.PlainText, value=_plain(markdown))
        return types.MarkupContent(kind=types.MarkupKind.Markdown, value=markdown)


def _plain(markdown: str) -> str:
    """Take the marks of code out, which are all the marks that a hover has."""
    return re.sub(r"^```.*\n?|`", "", markdown, flags=re.MULTILINE).strip()
