"""Which editor a session serves, as one of a few names that metrics can be told apart by."""

from __future__ import annotations

from lsprotocol import types

OTHER = "other"
_EDITORS = (
    ("visual studio code", "vscode"),
    ("vscodium", "vscode"),
    ("code - oss", "vscode"),
    ("cursor", "vscode"),
    ("windsurf", "vscode"),
    ("neovim", "neovim"),
    ("nvim", "neovim"),
    ("vim", "vim"),
    ("coc.nvim", "vim"),
    ("emacs", "emacs"),
    ("eglot", "emacs"),
    ("helix", "helix"),
    ("zed", "zed"),
    ("sublime", "sublime"),
    ("kate", "kate"),
    ("eclipse", "eclipse"),
    ("visual studio", "visual-studio"),
    ("intellij", "jetbrains"),
    ("jetbrains", "jetbrains"),
    ("pycharm", "jetbrains"),
    ("goland", "jetbrains"),
    ("webstorm", "jetbrains"),
    ("phpstorm", "jetbrains"),
    ("rubymine", "jetbrains"),
    ("rustrover", "jetbrains"),
    ("clion", "jetbrains"),
    ("rider", "jetbrains"),
    ("android studio", "jetbrains"),
)
"""What the names of editors begin with, in lower case; the first that fits counts."""


def editor_name(client: types.ClientInfo | None) -> str:
    """Return the editor's name among those known; what an editor may call itself is not bounded, and labels must be."""
    name = client.name.strip().lower() if client is not None else ""
    return next((editor for beginning, editor in _EDITORS if name.startswith(beginning)), OTHER)
