"""Editors under the names that they give themselves."""

from __future__ import annotations

import pytest
from lsprotocol import types

from server.lsp.clients import editor_name


@pytest.mark.parametrize(("named", "known"), [
    ("Visual Studio Code", "vscode"),
    ("Visual Studio Code - Insiders", "vscode"),
    ("VSCodium", "vscode"),
    ("Visual Studio", "visual-studio"),
    ("Neovim", "neovim"),
    ("vim-lsp", "vim"),
    ("Emacs", "emacs"),
    ("Eglot", "emacs"),
    ("helix", "helix"),
    ("Zed Preview", "zed"),
    ("Sublime Text LSP", "sublime"),
    ("IntelliJ IDEA 2026.1", "jetbrains"),
    ("  pycharm", "jetbrains"),
    ("", "other"),
    ("ana's own editor", "other"),
])  # fmt: skip
def test_an_editor_is_one_of_a_few_names(named: str, known: str) -> None:
    assert editor_name(types.ClientInfo(named)) == known


def test_an_editor_that_says_nothing_is_another() -> None:
    assert editor_name(None) == "other"
