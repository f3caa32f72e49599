"""One git repository as a source: what its refs are, what their trees hold. No work tree is needed."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from indexer.diff.blobs import read_objects
from indexer.diff.git import command_line, git_environment, run_git
from indexer.diff.paths import path_text
from indexer.errors import NotARepository, RefNotFound, RepositoryError
from indexer.types import TreeEntry

MISSING_SIZE = -1
"""The size of a tree entry whose object this clone does not have."""

_COMMIT_ID = re.compile(r"[0-9a-f]{4,64}")
_SUBMODULE = 0o160000
_TAGS = "refs/tags/"


@dataclass(frozen=True, slots=True)
class GitSource:
    """A local git repository, with a work tree or bare, that can be read.

    Attributes:
        git_dir: The directory of this work tree's HEAD.
        common_dir: The directory that all work trees of the repository share; it identifies the repository.
        root: The work tree's top directory, or the git directory of a bare repository.
        bare: There is no work tree.
        partial: Objects may be missing, to be fetched on demand; Hearth does not fetch them.
    """

    git_dir: Path
    common_dir: Path
    root: Path
    bare: bool
    partial: bool = False

    @classmethod
    def open(cls, path: Path) -> GitSource:
        """Find the repository that ``path`` lies in.

        Raises:
            NotARepository: There is none, or the path does not exist.
            RepositoryUnavailable: git refuses to read it.
        """
        if not path.exists():
            raise NotARepository(f"{path} does not exist", advice="Check the path or URL.")
        directory = path if path.is_dir() else path.parent
        printed = run_git(
            directory, "rev-parse", "--git-dir", "--git-common-dir", "--is-bare-repository", "--is-inside-work-tree"
        )
        git_dir_text, common_dir_text, bare_text, inside_text = printed.decode("utf-8", "surrogateescape").splitlines()
        git_dir = (directory / git_dir_text).resolve()
        common_dir = (directory / common_dir_text).resolve()
        bare = bare_text == "true" or inside_text != "true"
        root = git_dir
        if not bare:
            top = run_git(directory, "rev-parse", "--show-toplevel")
            root = Path(top.decode("utf-8", "surrogateescape").rstrip("\n")).resolve()
        elif git_dir.name == ".git":
            root = git_dir.parent
        partial = run_git(
            directory,
            "config",
            "--get-regexp",
            r"^(remote\..*\.promisor|extensions\.partialclone)$",
            git_dir=git_dir,
            ok=frozenset({0, 1}),
        )
        return cls(git_dir, common_dir, root, bare, bool(partial.strip()))

    @property
    def name(self) -> str:
        """A name for people: the last part of the path without ``.git``."""
        return self.root.name.removesuffix(".git") or self.root.parent.name

    def default_ref(self) -> str:
        """Return the branch of HEAD, or the commit id when HEAD is detached.

        Raises:
            RepositoryError: The repository has no commit yet.
        """
        branch = self._git("symbolic-ref", "--quiet", "--short", "HEAD", ok=frozenset({0, 1})).decode(
            "utf-8", "replace"
        )
        commit = self._resolve_quietly("HEAD^{commit}")
        if branch.strip() and commit:
            return branch.strip()
        if commit:
            return commit
        branches = self.branches()
        if branches:
            raise RefNotFound(
                f"HEAD of {self.root} points to {branch.strip() or 'nothing'}, which does not exist",
                advice=f"Choose one with --ref, for example --ref {branches[0]}.",
            )
        raise RepositoryError(f"{self.root} has no commits yet", advice="Commit something there, then index it again.")

    def branches(self) -> list[str]:
        """Return the names of all local branches."""
        printed = self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads")
        return printed.decode("utf-8", "replace").splitlines()

    def matching_refs(self, patterns: Iterable[str]) -> list[str]:
        """Return the branches that match patterns as in a shell, and the tags that match ``refs/tags/PATTERN``."""
        branches = self.branches()
        found: dict[str, None] = {}
        for pattern in patterns:
            tagged = pattern.startswith(_TAGS)
            names = self.tags() if tagged else branches
            found |= dict.fromkeys(fnmatch.filter(names, pattern.removeprefix(_TAGS)))
        return list(found)

    def tags(self) -> list[str]:
        """Return the names of all tags."""
        printed = self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags")
        return printed.decode("utf-8", "replace").splitlines()

    def resolve(self, ref: str) -> str:
        """Return the id of the commit that ``ref`` (branch, tag or commit id) stands for.

        A name that is both a branch and a tag means the branch. Raises RefNotFound.
        """
        if ref and not ref.startswith("-") and "\0" not in ref and "\n" not in ref:
            names = [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/remotes/origin/{ref}"]
            if ref == "HEAD" or ref.startswith("refs/") or _COMMIT_ID.fullmatch(ref):
                names.append(ref)
            for name in names:
                commit = self._resolve_quietly(f"{name}^{{commit}}")
                if commit:
                    return commit
        branches = self.branches()
        known = ", ".join(branches[:8]) + (" …" if len(branches) > 8 else "")
        raise RefNotFound(
            f"{self.root} has no branch, tag or commit {ref!r}",
            advice=f"Its branches are: {known}." if known else "It has no branches at all.",
        )

    def tree(self, commit: str) -> Iterator[TreeEntry]:
        """Yield every file of a commit in the order of git, submodules and symbolic links included.

        A missing object has the size :data:`MISSING_SIZE`.
        """
        if not self.partial:
            yield from _entries(self._git("ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", commit))
            return
        # Asking for the size of a missing object would stop git, so the objects that are here are listed first.
        entries = list(_entries(self._git("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)))
        wanted = {entry.blob for entry in entries}
        listing = self._git(
            "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname) %(objectsize)"
        )
        sizes: dict[str, int] = {}
        for line in listing.decode("ascii").splitlines():
            name, _, length = line.partition(" ")
            if name in wanted:
                sizes[name] = int(length)
        for entry in entries:
            size = 0 if entry.mode == _SUBMODULE else sizes.get(entry.blob, MISSING_SIZE)
            yield TreeEntry(entry.path, entry.blob, entry.mode, size)

    def read_blobs(self, ids: Iterable[str]) -> Generator[tuple[str, bytes | None]]:
        """Yield ``(id, content)`` for each id, in order; the content of a missing object is ``None``."""
        command = command_line("cat-file", "--batch", git_dir=self.git_dir)
        return read_objects(command, self.git_dir, git_environment(), ids)

    def commits_behind(self, indexed: str, ref: str) -> int:
        """Count the commits that ``ref`` has beyond ``indexed``; -1 when that cannot be told."""
        try:
            current = self.resolve(ref)
            if current == indexed:
                return 0
            printed = self._git("rev-list", "--count", "--end-of-options", f"{indexed}..{current}", seconds=10.0)
            # After a force push to an ancestor nothing lies beyond, and still the index is not up to date.
            return max(int(printed), 1)
        except (RepositoryError, ValueError):
            return -1

    def _resolve_quietly(self, expression: str) -> str:
        printed = self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", expression, ok=frozenset({0, 1, 128})
        )
        lines = [line for line in printed.decode("ascii", "replace").splitlines() if not line.startswith("--")]
        return lines[-1] if lines else ""

    def _git(self, *arguments: str, seconds: float | None = None, ok: frozenset[int] = frozenset({0})) -> bytes:
        return run_git(self.git_dir, *arguments, git_dir=self.git_dir, seconds=seconds, ok=ok)


def _entries(listing: bytes) -> Iterator[TreeEntry]:
    """Parse ``git ls-tree -r -z``, with or without ``-l``."""
    for record in listing.split(b"\0"):
        if not record:
            continue
        head, _, raw_path = record.partition(b"\t")
        mode, _kind, blob, *size = head.split()
        known = size[0] if size else b"0"
        length = 0 if known == b"-" else MISSING_SIZE if known == b"BAD" else int(known)
        yield TreeEntry(path_text(raw_path), blob.decode("ascii"), int(mode, 8), length)
