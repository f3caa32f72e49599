"""Folders on the editor's machine: nothing is read from disk, documents are found by what the client says of them.

A folder belongs to the repository that was indexed from the same remote, or else to the one of the same name. What the
client says only chooses among the repositories that it may read anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from indexer.api import Index
from indexer.errors import IndexerError
from server.lsp.workspace import Address, Locate, Moment, Workspace

_MAX_FOLDERS = 64
_MAX_TEXT = 4096


@dataclass(frozen=True, slots=True)
class RepositoryClaim:
    """What a client says of a work tree: where it is, where it was cloned from, and the branch that is checked out."""

    uri: str
    remote: str = ""
    head: str = ""


class RemoteWorkspace(Workspace):
    """The workspace of an editor on another machine."""

    def __init__(self) -> None:
        super().__init__()
        self._folders: dict[str, None] = {}
        self._claims: tuple[RepositoryClaim, ...] = ()
        self._known: tuple[object, tuple[_Root, ...]] = (None, ())

    def begin(self, folders: Sequence[str], options: Any) -> None:
        """Take over the folders and the ``repositories`` that the client lists."""
        self.claim(options)
        self.change(folders, ())

    def claim(self, options: Any) -> None:
        """Take over the ``repositories`` that the client lists, in place of those before."""
        self._claims = tuple(_claims(options))
        self._known = (None, ())

    def change(self, added: Sequence[str], removed: Sequence[str]) -> None:
        """Take folders in and out."""
        for uri in removed:
            self._folders.pop(_plain(uri), None)
        for uri in added[:_MAX_FOLDERS]:
            self._folders[_plain(uri)] = None
        self._known = (None, ())

    def file_uri(self, index: Index, readable: frozenset[str] | None, repository: str, path: str) -> str | None:
        """Return where the editor has a file, if a folder of the workspace belongs to its repository."""
        for root in self._roots(index, readable):
            if root.repository == repository:
                return f"{root.spelling}/{quote(path)}"
        return None

    def holds(self, uri: str) -> bool:
        """Whether a file is below one of the folders."""
        plain = _plain(uri)
        return any(plain.startswith(f"{folder}/") for folder in self._folders)

    def locates_at_once(self, moment: Moment, index: Index | None, readable: frozenset[str] | None) -> bool:
        """Whether it is known of which repositories the folders are."""
        return index is None or self._known[0] == (index.generation(), readable)

    def _locator(self, index: Index | None, readable: frozenset[str] | None) -> Locate:
        roots: tuple[_Root, ...] = ()
        # While the index cannot be read, what is open is served for itself.
        with suppress(IndexerError):
            roots = self._roots(index, readable) if index is not None else ()

        def locate(uri: str, _file: Path | None) -> Address:
            plain = unquote(uri)
            for root in roots:
                if plain.startswith(f"{root.uri}/"):
                    return Address(root.repository, plain[len(root.uri) + 1 :], root.ref)
            return Address("", uri)

        return locate

    def _roots(self, index: Index, readable: frozenset[str] | None) -> tuple[_Root, ...]:
        """Return the work trees whose repositories are known, the innermost first."""
        moment = (index.generation(), readable)
        if self._known[0] != moment:
            self._known = (moment, tuple(self._find_roots(index, readable)))
        return self._known[1]

    def _find_roots(self, index: Index, readable: frozenset[str] | None) -> list[_Root]:
        candidates = {
            status.name: (status.source, frozenset(ref.ref for ref in status.refs if ref.commit))
            for status in index.repositories()
            if readable is None or status.name in readable
        }
        claims = [*self._claims]
        claimed = {_plain(claim.uri) for claim in claims}
        # A folder below a work tree that the client spoke of belongs to that one.
        claims += [
            RepositoryClaim(folder)
            for folder in self._folders
            if not any(folder == root or folder.startswith(f"{root}/") for root in claimed)
        ]
        roots = []
        for claim in claims:
            name = _repository_of(claim, {name: source for name, (source, _) in candidates.items()})
            if name is not None:
                ref = claim.head if claim.head in candidates[name][1] else ""
                roots.append(_Root(_plain(claim.uri), claim.uri.rstrip("/"), name, ref))
        return sorted(roots, key=lambda root: -len(root.uri))


@dataclass(frozen=True, slots=True)
class _Root:
    """A work tree: its URI without and with percent-encoding, and what it is in the index."""

    uri: str
    spelling: str
    repository: str
    ref: str


def _repository_of(claim: RepositoryClaim, sources: dict[str, str]) -> str | None:
    """Return the repository that a work tree is a clone of."""
    if claim.remote:
        wanted = _address(claim.remote)
        # Hosts have several names, and the server may have indexed a mirror: the more of the path agrees, the better.
        agreeing = {name: _common_end(wanted, _address(source)) for name, source in sources.items()}
        best = max(agreeing.values(), default=0)
        if best:
            return min(name for name, length in agreeing.items() if length == best)
        return wanted[-1] if wanted and wanted[-1] in sources else None
    name = _plain(claim.uri).rpartition("/")[2]
    return name if name in sources else None


def _address(source: str) -> list[str]:
    """Split ``https://host/team/shop.git``, ``git@host:team/shop`` or a path into its parts, host first."""
    text = re.sub(r"^[a-z+]+://", "", source.strip().lower())
    text = text.rpartition("@")[2].removesuffix("/").removesuffix(".git")
    return [part for part in re.split(r"[/:]", text) if part]


def _common_end(one: list[str], other: list[str]) -> int:
    length = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        length += 1
    return length


def _claims(options: Any) -> Iterable[RepositoryClaim]:
    """Read ``{"repositories": [{"uri", "remote"?, "head"?}]}``; what is not so is left out."""
    listed = options.get("repositories") if isinstance(options, dict) else None
    for item in listed[:_MAX_FOLDERS] if isinstance(listed, list) else ():
        if not isinstance(item, dict):
            continue
        uri, remote, head = (_text(item.get(name)) for name in ("uri", "remote", "head"))
        if uri:
            yield RepositoryClaim(uri, remote, head)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _MAX_TEXT else ""


def _plain(uri: str) -> str:
    return unquote(uri).rstrip("/")
