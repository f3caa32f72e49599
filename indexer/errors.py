"""Every error the indexer raises on purpose.

::

    IndexerError                 exit code, message and advice
    ├── RepositoryError          the source is not a usable git repository
    │   ├── NotARepository
    │   ├── RefNotFound
    │   ├── SourceRefused        the rules for registered repositories forbid this source
    │   ├── CredentialMissing    the secret for a remote is not where it should be
    │   └── RepositoryUnavailable   a remote or an object could not be read
    ├── UnknownRepository        no repository of that name is in the index
    ├── NameTaken                two sources would share one name
    ├── DataDirectoryError       the data directory cannot be read or written
    │   ├── OlderData            an older Hearth made a file of it, and who reads it cannot bring it up to date
    │   └── NewerData            a newer Hearth made a file of it
    ├── IndexCorrupt             stored files do not agree with each other or cannot be parsed
    ├── IndexBusy                another process is writing to this data directory
    ├── DiskFull                 the index could not be written; what was published before still stands
    ├── UnknownJob               no job of that number waits
    ├── HookError                a hook cannot be installed, or its news not be delivered
    ├── InvalidNotice            news of a push that came in is not what it should be
    ├── EmbedderError            vectors could not be made
    │   ├── EmbedderUnavailable  the embedding server did not answer
    │   │   └── EmbedderAway     it did not a moment ago, so it was not asked again
    │   └── EmbedderRefused      it answered with an error that trying again will not mend
    ├── BackupError              a backup cannot be written, or is none that can be restored
    ├── InvalidQueryFile         a line of a --queries file is not usable
    └── ConfigError              hearth.toml: names the file, line and key

Expected outcomes that concern one file (binary, too large, ...) are data, not errors: see
:class:`indexer.types.Skip`.
"""

from __future__ import annotations

from typing import ClassVar


class IndexerError(Exception):
    """Base of all deliberate errors.

    Args:
        message: What was wrong and where, one sentence without a trailing full stop.
        advice: What to do about it, one sentence; shown on a line of its own.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "indexer-error"

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}. {self.advice}".rstrip() if self.advice else self.message


class RepositoryError(IndexerError):
    """The source is not a usable git repository."""

    exit_code = 3
    code = "repository"


class NotARepository(RepositoryError):
    """There is no git repository at that path."""

    code = "not-a-repository"


class RefNotFound(RepositoryError):
    """The repository has no such branch, tag or commit."""

    code = "ref-not-found"


class SourceRefused(RepositoryError):
    """The rules for registered repositories forbid this source."""

    code = "source-refused"


class CredentialMissing(RepositoryError):
    """The secret for a remote is not where its reference points."""

    code = "credential-missing"


class RepositoryUnavailable(RepositoryError):
    """A remote did not answer, or an object that must exist could not be read."""

    code = "repository-unavailable"


class UnknownRepository(IndexerError):
    """No repository of that name is in the index."""

    exit_code = 4
    code = "unknown-repository"


class NameTaken(IndexerError):
    """Two different sources would share one name."""

    exit_code = 4
    code = "name-taken"


class DataDirectoryError(IndexerError):
    """The data directory cannot be read or written."""

    exit_code = 5
    code = "data-directory"


class OlderData(DataDirectoryError):
    """An older Hearth made a file of it, and whoever only reads it cannot bring it up to date."""

    code = "older-data"


class NewerData(DataDirectoryError):
    """A newer Hearth made a file of it."""

    code = "newer-data"


class IndexCorrupt(IndexerError):
    """Stored files do not agree with each other or cannot be parsed."""

    exit_code = 6
    code = "index-corrupt"


class IndexBusy(IndexerError):
    """Another process is writing to this data directory."""

    exit_code = 7
    code = "index-busy"


class DiskFull(IndexerError):
    """The index could not be written; what was published before still stands."""

    exit_code = 8
    code = "disk-full"


class UnknownJob(IndexerError):
    """No job of that number waits."""

    exit_code = 4
    code = "unknown-job"


class HookError(IndexerError):
    """A hook cannot be installed, or its news not be delivered."""

    exit_code = 13
    code = "hook"


class InvalidNotice(IndexerError):
    """News of a push that came in is not what it should be."""

    exit_code = 13
    code = "invalid-notice"


class EmbedderError(IndexerError):
    """Vectors could not be made; what was published before still stands."""

    exit_code = 14
    code = "embedder"


class EmbedderUnavailable(EmbedderError):
    """The embedding server did not answer."""

    code = "embedder-unavailable"


class EmbedderAway(EmbedderUnavailable):
    """The embedding server did not answer a moment ago, so it was not asked again."""

    code = "embedder-away"


class EmbedderRefused(EmbedderError):
    """The embedding server answered with an error that trying again will not mend."""

    code = "embedder-refused"


class BackupError(IndexerError):
    """A backup cannot be written, or is none that can be restored; nothing was changed."""

    exit_code = 17
    code = "backup"


class InvalidQueryFile(IndexerError):
    """A line of a file of queries or cases is not usable."""

    exit_code = 9
    code = "invalid-query-file"


class ConfigError(IndexerError):
    """The configuration has an unknown key or a value that does not fit."""

    exit_code = 2
    code = "config"
