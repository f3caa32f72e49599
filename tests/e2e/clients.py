"""What editors without a plugin of Hearth say of themselves at ``initialize``, as far as it may matter to a server.

Helix 25.07 and Emacs 30 (Eglot, without a mode for Markdown) are what they sent. Zed and LSP4IJ are after their
documentation.
"""

from __future__ import annotations

from typing import Any

from lsprotocol import types
from pygls.protocol import default_converter

_KINDS = ["", "quickfix", "refactor", "refactor.extract", "refactor.inline", "refactor.rewrite", "source"]
_LITERALS = {"codeActionKind": {"valueSet": _KINDS}}
_WORKSPACE: dict[str, Any] = {
    "applyEdit": True,
    "configuration": True,
    "workspaceFolders": True,
    "executeCommand": {"dynamicRegistration": False},
    "didChangeWatchedFiles": {"dynamicRegistration": True},
}

CLIENTS: dict[str, dict[str, Any]] = {
    "helix": {
        "general": {"positionEncodings": ["utf-8", "utf-32", "utf-16"]},
        "textDocument": {
            "codeAction": {"codeActionLiteralSupport": _LITERALS, "dataSupport": True},
            "completion": {
                "completionItem": {"snippetSupport": True, "insertReplaceSupport": True, "deprecatedSupport": True},
                "completionItemKind": {},
            },
            "diagnostic": {"dynamicRegistration": False, "relatedDocumentSupport": True},
            "hover": {"contentFormat": ["markdown"]},
        },
        "window": {"showDocument": {"support": True}, "workDoneProgress": True},
        "workspace": {**_WORKSPACE, "diagnostic": {"refreshSupport": True}},
    },
    "emacs": {
        "general": {"positionEncodings": ["utf-32", "utf-8", "utf-16"]},
        "textDocument": {
            "synchronization": {"willSave": True, "willSaveWaitUntil": True, "didSave": True},
            "completion": {
                "completionItem": {"snippetSupport": False, "insertReplaceSupport": False},
                "contextSupport": True,
            },
            "hover": {"contentFormat": ["plaintext"]},
            "codeAction": {"codeActionLiteralSupport": _LITERALS, "isPreferredSupport": True},
        },
        "window": {"showDocument": {"support": True}, "workDoneProgress": True},
        "workspace": _WORKSPACE,
        "experimental": {},
    },
    "zed": {
        "general": {"positionEncodings": ["utf-16"]},
        "textDocument": {
            "completion": {
                "completionItem": {"snippetSupport": True, "insertReplaceSupport": True, "labelDetailsSupport": True},
                "contextSupport": True,
                "completionList": {"itemDefaults": ["editRange", "insertTextFormat"]},
            },
            "hover": {"contentFormat": ["markdown"]},
            "codeAction": {
                "codeActionLiteralSupport": _LITERALS,
                "resolveSupport": {"properties": ["edit", "command"]},
            },
            "diagnostic": {"dynamicRegistration": True},
        },
        "window": {"workDoneProgress": True},
        "workspace": {**_WORKSPACE, "diagnostics": {"refreshSupport": True}},
    },
    "lsp4ij": {
        "textDocument": {
            "synchronization": {"dynamicRegistration": True, "willSave": True, "didSave": True},
            "completion": {"completionItem": {"snippetSupport": True}, "dynamicRegistration": True},
            "hover": {"contentFormat": ["markdown", "plaintext"], "dynamicRegistration": True},
            "codeAction": {"codeActionLiteralSupport": _LITERALS, "dynamicRegistration": True},
        },
        "window": {"showDocument": {"support": True}, "workDoneProgress": True, "showMessage": {}},
        "workspace": _WORKSPACE,
    },
}


def capabilities_of(client: str) -> types.ClientCapabilities:
    """Return what ``client`` says it can do."""
    converter = default_converter()  # type: ignore[no-untyped-call]  # pygls does not annotate it.
    capabilities: types.ClientCapabilities = converter.structure(CLIENTS[client], types.ClientCapabilities)
    return capabilities


def shown_explanation(uri: str) -> types.ExecuteCommandParams:
    """Return what asks the server to explain the first line and to show that."""
    span = {"start": {"line": 0, "character": 0}, "end": {"line": 1, "character": 0}}
    return types.ExecuteCommandParams("hearth.explain", [{"uri": uri, "range": span, "show": True}])
