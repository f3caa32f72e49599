"""``textDocument/codeAction``: explain what is selected."""

from __future__ import annotations

from lsprotocol import types

from server.lsp.explanation import EXPLAIN_COMMAND
from server.lsp.session import HearthLanguageServer

_TITLE = "Explain this code (Hearth)"


class CodeActions:
    """Offers the explanation of any selection."""

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        server.handle(types.TEXT_DOCUMENT_CODE_ACTION, self.actions, types.CodeActionOptions(code_action_kinds=[]))

    def actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """Return one action, unless the client wants only kinds that this is not (fixes, refactorings)."""
        if params.context.only or self._server.documents.get(params.text_document.uri) is None:
            return []
        start, end = params.range.start, params.range.end
        argument = {
            "uri": params.text_document.uri,
            "range": {
                "start": {"line": start.line, "character": start.character},
                "end": {"line": end.line, "character": end.character},
            },
        }
        command = types.Command(title=_TITLE, command=EXPLAIN_COMMAND, arguments=[argument])
        return [types.CodeAction(title=_TITLE, command=command)]
