"""The vocabulary of the indexer: frozen values that pass between its layers.

Lines are 1-based and inclusive, columns and byte offsets 0-based, unless a field says otherwise.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class SkipReason(enum.StrEnum):
    """Why a file of a repository is not in the index."""

    BINARY = "binary"
    TOO_LARGE = "too-large"
    GENERATED = "generated"
    MINIFIED = "minified"
    UNDECODABLE = "undecodable"
    LFS_POINTER = "lfs-pointer"
    IGNORED = "ignored"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    MISSING = "missing"
    EMPTY = "empty"
    SECRET = "secret"  # noqa: S105 -- a reason, not a password  # nosec B105


@dataclass(frozen=True, slots=True)
class Skip:
    """One file that was left out, and why.

    ``detail`` is a short human sentence with the figure that decided (``"12.4 MB, limit 1.0 MB"``).
    """

    repository: str
    ref: str
    path: str
    reason: SkipReason
    detail: str


@dataclass(frozen=True, slots=True)
class FoundSecret:
    """A place where a file of a repository has a secret, which the index has not; never its text nor a digest of it.

    ``rule`` is one of :func:`indexer.secrets.rules`. What is ``allowed`` is no secret by the word of the settings, and
    the index has it.
    """

    repository: str
    ref: str
    path: str
    line: int
    rule: str
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a commit's tree. ``mode`` is git's (0o100644, 0o120000 for a symlink, 0o160000 for a submodule)."""

    path: str
    blob: str
    mode: int
    size: int
    """Bytes; 0 for submodules."""


class SymbolKind(enum.StrEnum):
    """What a definition defines; the spelling is shared by all languages."""

    FUNCTION = "function"
    METHOD = "method"
    CLASS = "class"
    STRUCT = "struct"
    INTERFACE = "interface"
    ENUM = "enum"
    TRAIT = "trait"
    MODULE = "module"
    TYPE = "type"
    CONSTANT = "constant"
    VARIABLE = "variable"
    FIELD = "field"
    MACRO = "macro"
    HEADING = "heading"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A definition found by syntax.

    ``scope`` is the dotted chain of enclosing definitions (``"Engine.Stream"``), empty at top level.
    ``signature`` is the declaration without its body on one line; ``documentation`` the doc comment or
    docstring with its markers removed. Both are truncated by the parser to a bounded length.
    """

    name: str
    kind: SymbolKind
    scope: str
    start_line: int
    end_line: int
    signature: str
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, or a whole module when ``name`` is empty.

    ``module`` is as written in the source (``"os.path"``, ``"./button"``, ``"net/http"``); ``alias`` is the
    local name when it differs.
    """

    module: str
    name: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A contiguous piece of one blob, cut along its syntax.

    ``symbol`` is the definition the chunk shows (empty for a run of statements), ``scope`` the dotted chain of
    enclosing definitions. ``text`` is exactly the blob's lines ``start_line..end_line``.
    """

    text: str
    start_line: int
    end_line: int
    symbol: str = ""
    kind: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """All that the index keeps of one blob, whatever its path."""

    language: str
    chunks: tuple[Chunk, ...]
    symbols: tuple[Symbol, ...] = ()
    imports: tuple[Import, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a query may see. Applied inside every search, never to its result.

    Attributes:
        repositories: Names that may be read; ``None`` means every repository (a developer's own index).
        ref: The branch, tag or commit to search; empty for each repository's default ref.
        exclude: ``(repository, path)`` pairs that must not appear: open documents shadow their indexed text.
    """

    repositories: frozenset[str] | None = None
    ref: str = ""
    exclude: frozenset[tuple[str, str]] = frozenset()

    def only(self, repository: str, ref: str = "") -> Scope:
        """Narrow to one repository; a repository that may not be read stays unreadable."""
        if self.repositories is not None and repository not in self.repositories:
            return Scope(frozenset(), ref, self.exclude)
        return Scope(frozenset({repository}), ref or self.ref, self.exclude)


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk that answers a query. Higher ``score`` is better; scores of one answer are comparable, others not."""

    repository: str
    ref: str
    commit: str
    path: str
    language: str
    start_line: int
    end_line: int
    symbol: str
    scope: str
    kind: str
    text: str
    score: float
    lexical: float = 0.0
    """Share of ``score`` from words, 0..1 before weighting."""
    dense: float = 0.0
    """Share of ``score`` from vectors, 0..1 before weighting."""


@dataclass(frozen=True, slots=True)
class SymbolHit:
    """A definition in a file of a repository."""

    repository: str
    ref: str
    commit: str
    path: str
    language: str
    symbol: Symbol
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One commit that changed some lines. ``author_date`` is in seconds since the epoch."""

    commit: str
    author_date: float
    author: str
    subject: str


class IndexState(enum.StrEnum):
    """Where a ref of a repository stands."""

    PENDING = "pending"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RefStatus:
    """One indexed ref. ``behind`` counts commits the source has beyond ``commit``; -1 when it cannot be asked."""

    ref: str
    commit: str
    state: IndexState
    files: int
    chunks: int
    skipped: int
    indexed_at: float
    """Seconds since the epoch; 0.0 before the first publication."""
    behind: int = -1
    error: str = ""
    secrets: int = 0
    """Places with a secret in the files of the ref that is not allowed; see :class:`FoundSecret`."""
    allowed_secrets: int = 0
    """Places with one that is."""


@dataclass(frozen=True, slots=True)
class RepositoryStatus:
    """One repository of the index, its default ref first."""

    name: str
    source: str
    refs: tuple[RefStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteAccess:
    """How a registered repository's remote may be read; see :mod:`indexer.diff.access`.

    Attributes:
        credential: Where the secret is: ``env:NAME``, ``file:PATH``, or empty for none or an SSH agent.
        internal: Host names, and networks such as ``10.0.0.0/8``, that may be read though their addresses are internal.
    """

    credential: str = ""
    internal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexJob:
    """What the worker is asked to do: bring ``refs`` of one repository up to date.

    Empty ``refs`` means the refs indexed before and, unless they were chosen by name, what HEAD points to now. The
    name ``HEAD`` stands for the branch of HEAD, or for its commit, which is forgotten when HEAD leaves it.
    An empty ``name`` is derived from ``source``. ``prune`` removes refs that the source has no longer; without it
    they keep what they published last.

    With ``follow``, a registered repository is followed: these are patterns of branch names (tags as
    ``refs/tags/PATTERN``; none means the branch of HEAD), ``refs`` are those of which there was news, and what the
    patterns leave out is passed over. A followed ref that the source has no longer is removed.

    ``access`` holds the source to the rules for registered remotes; without it, it is read as the user's own git would.
    ``remove`` takes the repository called ``source`` out of the index.
    """

    source: str
    name: str = ""
    refs: tuple[str, ...] = ()
    prune: bool = False
    follow: tuple[str, ...] | None = None
    access: RemoteAccess | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of an indexing run. ``total`` is 0 while it is unknown."""

    repository: str
    ref: str
    stage: str
    """One of ``fetch``, ``diff``, ``blobs``, ``corpus``, ``publish``."""
    done: int
    total: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """The outcome of one job for one ref."""

    repository: str
    ref: str
    commit: str
    files: int
    blobs_processed: int
    """Blobs that were new to the index; 0 when nothing changed."""
    chunks: int
    skipped: int
    seconds: float
    warnings: tuple[str, ...] = field(default=())
