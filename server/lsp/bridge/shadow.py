"""What a new connection has to be told: how the session began, and what the editor has open now."""

from __future__ import annotations

import json
from typing import Any

from server.lsp.documents import Document, Documents, Edit
from server.lsp.positions import PositionEncoding

CHANGE_FOLDERS = "workspace/didChangeWorkspaceFolders"


class Shadow:
    """Follows the messages of one editor."""

    def __init__(self) -> None:
        self.initialize: dict[str, Any] | None = None
        """The parameters of ``initialize``, with the folders as they are now."""
        self.initialized = False
        self._documents = Documents()
        self._left_out: set[str] = set()

    def note_initialize(self, parameters: Any) -> None:
        """Take over how the session begins."""
        self.initialize = parameters if isinstance(parameters, dict) else {}

    def note_capabilities(self, result: Any) -> None:
        """Take over in which units the server and the editor count."""
        capabilities = result.get("capabilities") if isinstance(result, dict) else None
        encoding = capabilities.get("positionEncoding") if isinstance(capabilities, dict) else None
        self._documents.encoding = PositionEncoding.negotiate([encoding] if isinstance(encoding, str) else [])

    def note(self, method: str, parameters: Any) -> None:
        """Follow a notification of the editor; one that is not as the protocol says is left to the server."""
        try:
            self._note(method, parameters)
        except (KeyError, TypeError, AttributeError):
            return

    def replay(self) -> list[bytes]:
        """Return what the next server is told after ``initialize``."""
        if not self.initialized:
            return []
        messages = [_notification("initialized", {})]
        # The one that was used last comes last, so that it is the most recent one there, too.
        for document in reversed(list(self._documents)):
            if document.uri not in self._left_out:
                item = {
                    "uri": document.uri,
                    "languageId": document.language_id,
                    "version": document.version,
                    "text": document.text,
                }
                messages.append(_notification("textDocument/didOpen", {"textDocument": item}))
        return messages

    def leave_out_largest(self) -> str | None:
        """Say no more of the largest document, which the server does not take; return its URI."""
        kept: list[Document] = [item for item in self._documents if item.uri not in self._left_out]
        if not kept:
            return None
        largest = max(kept, key=lambda document: document.length)
        self._left_out.add(largest.uri)
        return largest.uri

    def _note(self, method: str, parameters: Any) -> None:
        if method == "initialized":
            self.initialized = True
        elif method == "textDocument/didOpen":
            item = parameters["textDocument"]
            self._left_out.discard(item["uri"])
            self._documents.open(item["uri"], item["languageId"], item["version"], item["text"])
        elif method == "textDocument/didChange":
            item = parameters["textDocument"]
            self._documents.change(item["uri"], item["version"], [_edit(edit) for edit in parameters["contentChanges"]])
        elif method == "textDocument/didClose":
            self._left_out.discard(parameters["textDocument"]["uri"])
            self._documents.close(parameters["textDocument"]["uri"])
        elif method == CHANGE_FOLDERS and self.initialize is not None:
            removed = {folder["uri"] for folder in parameters["event"]["removed"]}
            folders = [
                folder for folder in self.initialize.get("workspaceFolders") or [] if folder["uri"] not in removed
            ]
            self.initialize["workspaceFolders"] = [*folders, *parameters["event"]["added"]]


def _edit(change: dict[str, Any]) -> Edit:
    span = change.get("range")
    if span is None:
        return Edit(change["text"])
    start, end = ((span[name]["line"], span[name]["character"]) for name in ("start", "end"))
    return Edit(change["text"], start, end)


def _notification(method: str, parameters: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": parameters}).encode()
