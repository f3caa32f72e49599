"""Tells the team server which repositories the editor's folders are, which it cannot see itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from server.lsp.documents import file_path
from server.lsp.git_head import find_work_tree, read_head

_MAX_BYTES = 1_000_000
_SECTION = re.compile(r'^\s*\[\s*remote\s+"(?P<name>[^"]+)"\s*\]', re.IGNORECASE)
_URL = re.compile(r"^\s*url\s*=\s*(?P<url>\S+)", re.IGNORECASE)


def describe(parameters: dict[str, Any]) -> list[dict[str, str]]:
    """Return ``initializationOptions.hearth.repositories`` for the folders of ``initialize``. Reads small files."""
    uris = [folder.get("uri") for folder in parameters.get("workspaceFolders") or [] if isinstance(folder, dict)]
    uris = uris or [parameters.get("rootUri")]
    found: dict[str, dict[str, str]] = {}
    for uri in uris:
        folder = file_path(uri) if isinstance(uri, str) else None
        tree = find_work_tree(folder) if folder is not None else None
        if tree is None:
            continue
        head = read_head(tree)
        claim = {"uri": tree.root.as_uri(), "remote": remote(tree.common), "head": head.ref if head is not None else ""}
        found[claim["uri"]] = {name: value for name, value in claim.items() if value}
    return list(found.values())


def remote(git_dir: Path) -> str:
    """Return where a repository was cloned from, without the credentials that may stand in the URL."""
    try:
        with (git_dir / "config").open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_MAX_BYTES)
    except OSError:
        return ""
    urls: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            named = _SECTION.match(line)
            section = named["name"] if named else ""
        elif section and (given := _URL.match(line)):
            urls.setdefault(section, given["url"])
    url = urls.get("origin") or next(iter(urls.values()), "")
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", url)
