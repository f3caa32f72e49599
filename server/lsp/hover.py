"""``textDocument/hover``: signature, documentation and uses of the name under the pointer."""

from __future__ import annotations

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
            contents=types.MarkupContent(kind=types.MarkupKind.Markdown, value=found.markdown),
            range=types.Range(types.Position(*start), types.Position(*end)),
        )
