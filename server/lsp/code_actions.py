"""``textDocument/codeAction``: explain what is selected."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from server.lsp.explanation import EXPLAIN_COMMAND
from server.lsp.session import HearthLanguageServer

EXPLAIN_KIND = "hearth.explain"
_TITLE = "Explain this code (Hearth)"


class CodeActions:
    """Offers the explanation of any selection."""

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        server.handle(
            types.TEXT_DOCUMENT_CODE_ACTION, self.actions, types.CodeActionOptions(code_action_kinds=[EXPLAIN_KIND])
        )

    def actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """Return one action, unless the client wants other kinds only (fixes, refactorings), or looks by itself.

        Where nothing is selected and nobody asks, a light bulb on every line would only be in the way.
        """
        if _not_wanted(params.context.only) or self._server.documents.get(params.text_document.uri) is None:
            return []
        start, end = params.range.start, params.range.end
        if start == end and params.context.trigger_kind == types.CodeActionTriggerKind.Automatic:
            return []
        argument = {
            "uri": params.text_document.uri,
            "range": {
                "start": {"line": start.line, "character": start.character},
                "end": {"line": end.line, "character": end.character},
            },
            "show": True,
        }
        command = types.Command(title=_TITLE, command=EXPLAIN_COMMAND, arguments=[argument])
        return [types.CodeAction(title=_TITLE, kind=EXPLAIN_KIND, command=command)]


def _not_wanted(only: Sequence[types.CodeActionKind | str] | None) -> bool:
    """Whether the client named kinds and ours is in none of them; a kind includes what follows it after a dot."""
    kinds = [str(getattr(kind, "value", kind)) for kind in only or ()]
    return bool(kinds) and not any(kind in ("", EXPLAIN_KIND, EXPLAIN_KIND.partition(".")[0]) for kind in kinds)
