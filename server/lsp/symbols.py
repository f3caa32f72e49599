"""``workspace/symbol``: definitions of all indexed repositories."""

from __future__ import annotations

from lsprotocol import types

from indexer.types import Scope, SymbolHit, SymbolKind
from server.lsp.session import HearthLanguageServer
from server.principal import Work

_LIMIT = 100
_MAX_QUERY = 200
_KINDS = {
    SymbolKind.FUNCTION: types.SymbolKind.Function,
    SymbolKind.METHOD: types.SymbolKind.Method,
    SymbolKind.CLASS: types.SymbolKind.Class,
    SymbolKind.STRUCT: types.SymbolKind.Struct,
    SymbolKind.INTERFACE: types.SymbolKind.Interface,
    SymbolKind.ENUM: types.SymbolKind.Enum,
    SymbolKind.TRAIT: types.SymbolKind.Interface,
    SymbolKind.MODULE: types.SymbolKind.Module,
    SymbolKind.TYPE: types.SymbolKind.Class,
    SymbolKind.CONSTANT: types.SymbolKind.Constant,
    SymbolKind.VARIABLE: types.SymbolKind.Variable,
    SymbolKind.FIELD: types.SymbolKind.Field,
    SymbolKind.MACRO: types.SymbolKind.Function,
    SymbolKind.HEADING: types.SymbolKind.String,
}


class WorkspaceSymbols:
    """Answers ``workspace/symbol`` with what can be opened: files below the workspace folders, and others on disk."""

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        server.handle(types.WORKSPACE_SYMBOL, self.symbols)

    async def symbols(self, params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
        """Find definitions by part of their names."""
        services = self._server.services
        if services is None or services.index is None:
            return []
        self._server.permit(Work.SEARCH)
        return await self._server.in_thread(self._find, params.query[:_MAX_QUERY])

    def _find(self, query: str) -> list[types.WorkspaceSymbol]:
        services = self._server.services
        if services is None or services.index is None:
            return []
        found = []
        for hit in services.index.symbols(query, Scope(self._server.principal.readable), _LIMIT):
            uri = self._server.file_uri(hit.repository, hit.path)
            if uri is not None:
                found.append(_symbol(hit, uri))
        return found


def _symbol(hit: SymbolHit, uri: str) -> types.WorkspaceSymbol:
    start = types.Position(line=max(0, hit.symbol.start_line - 1), character=0)
    container = f"{hit.symbol.scope} · {hit.path}" if hit.symbol.scope else f"{hit.repository}/{hit.path}"
    return types.WorkspaceSymbol(
        name=hit.symbol.name,
        kind=_KINDS.get(hit.symbol.kind, types.SymbolKind.Variable),
        container_name=container,
        location=types.Location(uri=uri, range=types.Range(start=start, end=start)),
    )
