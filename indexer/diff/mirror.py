"""Sources: a local repository is read where it is, a URL through a bare mirror that Hearth keeps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from indexer.diff.access import remote_environment
from indexer.diff.git import git_program
from indexer.diff.source import GitSource
from indexer.errors import RepositoryError
from indexer.types import RemoteAccess

FetchProgress = Callable[[int, int], None]
"""``(objects received, objects in all)``."""

PROTOCOLS = ("file", "git", "http", "https", "ssh")
_WITH_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_USER_IN_URL = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/]*@")
_TRANSPORT_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_SCP_LIKE = re.compile(r"(?:[^\s/:@]+@)?[^\s/:@]+:(?!/?$)[^\s]+")


def is_url(source: str) -> bool:
    """Tell whether ``source`` is remote (``https://…``, ``ssh://…``, ``host:path``), not a directory."""
    if _WITH_SCHEME.match(source) or _TRANSPORT_HELPER.match(source):
        return True
    return bool(_SCP_LIKE.fullmatch(source)) and not Path(source).exists()


def public_url(url: str) -> str:
    """Return ``url`` without user name and password: what may be stored and shown."""
    if not _WITH_SCHEME.match(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        # No URL, such as one with half of an IPv6 address; git says so when it is asked for it.
        return _USER_IN_URL.sub(r"\1", url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def url_name(url: str) -> str:
    """Return a name for people: the last part of the path without ``.git``."""
    return re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")


def mirror_path(mirrors: Path, url: str) -> Path:
    """Return where the mirror of ``url`` is kept."""
    digest = hashlib.blake2b(public_url(url).encode(), digest_size=8).hexdigest()
    return mirrors / f"{url_name(url) or 'mirror'}-{digest}.git"


def open_source(
    source: str, mirrors: Path, progress: FetchProgress | None = None, *, access: RemoteAccess | None = None
) -> GitSource:
    """Open a repository by path or URL; a URL is cloned or brought up to date first.

    Args:
        source: A path in or of a repository, or a URL that git understands.
        mirrors: Where bare mirrors are kept.
        progress: Called while objects arrive from a URL.
        access: The rules for a registered remote; without them a URL is read as the user's own git would.

    Raises:
        SourceRefused: The rules forbid it.
        CredentialMissing: The secret for the remote is not there.
        RepositoryError: See :meth:`GitSource.open`; for a URL also when it cannot be reached.
    """
    if not is_url(source):
        return GitSource.open(Path(source).expanduser())
    _refuse_unsafe(source)
    git_program()
    environment = remote_environment(source, access) if access is not None else None
    from indexer.diff.remote import bring_up_to_date  # noqa: PLC0415 -- GitPython doubles the start-up time

    path = mirror_path(mirrors, source)
    bring_up_to_date(path, source, public_url(source), progress, environment)
    return GitSource.open(path)


def _refuse_unsafe(url: str) -> None:
    scheme = url.partition("://")[0].lower() if _WITH_SCHEME.match(url) else "ssh"
    helper = _TRANSPORT_HELPER.match(url) is not None
    if helper or url.startswith("-") or scheme not in PROTOCOLS or any(character in url for character in "\n\r\0"):
        raise _refused(url)


def _refused(url: str) -> RepositoryError:
    return RepositoryError(
        f"{public_url(url)!r} is not a URL that Hearth clones from", advice=f"Use one of: {', '.join(PROTOCOLS)}."
    )
