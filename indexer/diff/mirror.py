"""Sources: a local repository is read where it is, a URL through a bare mirror that Hearth keeps."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from indexer.diff.git import git_environment, git_program, run_git
from indexer.diff.source import GitSource
from indexer.errors import RepositoryError, RepositoryUnavailable

# GitPython looks for git while it is imported and fails there; a missing git is reported by git_program() instead.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import git

FetchProgress = Callable[[int, int], None]
"""``(objects received, objects in all)``."""

_PROTOCOLS = ("file", "git", "http", "https", "ssh")
_WITH_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_TRANSPORT_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_SCP_LIKE = re.compile(r"(?:[^\s/:@]+@)?[^\s/:@]+:(?!/?$)[^\s]+")
_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def is_url(source: str) -> bool:
    """Tell whether ``source`` is remote (``https://…``, ``ssh://…``, ``host:path``), not a directory."""
    if _WITH_SCHEME.match(source) or _TRANSPORT_HELPER.match(source):
        return True
    return bool(_SCP_LIKE.fullmatch(source)) and not Path(source).exists()


def public_url(url: str) -> str:
    """Return ``url`` without user name and password: what may be stored and shown."""
    if not _WITH_SCHEME.match(url):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def url_name(url: str) -> str:
    """Return a name for people: the last part of the path without ``.git``."""
    return re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")


def mirror_path(mirrors: Path, url: str) -> Path:
    """Return where the mirror of ``url`` is kept."""
    digest = hashlib.blake2b(public_url(url).encode(), digest_size=8).hexdigest()
    return mirrors / f"{url_name(url) or 'mirror'}-{digest}.git"


def open_source(source: str, mirrors: Path, progress: FetchProgress | None = None) -> GitSource:
    """Open a repository by path or URL; a URL is cloned or brought up to date first.

    Args:
        source: A path in or of a repository, or a URL that git understands.
        mirrors: Where bare mirrors are kept.
        progress: Called while objects arrive from a URL.

    Raises:
        RepositoryError: See :meth:`GitSource.open`; for a URL also when it cannot be reached.
    """
    if not is_url(source):
        return GitSource.open(Path(source).expanduser())
    _refuse_unsafe(source)
    git_program()
    path = mirror_path(mirrors, source)
    try:
        if (path / "HEAD").exists():
            _update(path, source)
        else:
            _clone(source, path, progress)
    except git.GitCommandError as error:
        raise _unreachable(source, str(error.stderr)) from error
    return GitSource.open(path)


def _clone(url: str, path: Path, progress: FetchProgress | None) -> None:
    def update(_operation: int, done: float | str, total: float | str | None, _message: str) -> None:
        if progress is not None:
            progress(int(float(done)), int(float(total or 0)))

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="clone-", ignore_cleanup_errors=True) as scratch:
        target = Path(scratch) / "repository.git"
        git.Repo.clone_from(url, target, progress=update, env=_environment(), multi_options=["--bare"]).close()
        if path.exists():
            shutil.rmtree(path)
        target.replace(path)


def _update(path: Path, url: str) -> None:
    # Credentials may have changed since the clone; a URL without any keeps those that git already knows.
    if public_url(url) != url:
        run_git(path, "remote", "set-url", "--", "origin", url, git_dir=path)
    repository = git.Repo(path)
    try:
        fetch = ["fetch", "--prune", "--force", "--no-recurse-submodules", "--quiet", "origin", *_REFSPECS]
        repository.git.execute([git_program(), f"--git-dir={path}", *fetch], env=_environment())
        head = repository.git.execute(
            [git_program(), f"--git-dir={path}", "ls-remote", "--symref", "origin", "HEAD"], env=_environment()
        )
    finally:
        repository.close()
    branch = re.match(r"ref: (refs/heads/\S+)\tHEAD", str(head))
    if branch:
        run_git(path, "symbolic-ref", "HEAD", branch.group(1), git_dir=path)


def _environment() -> dict[str, str]:
    # GitPython starts from the process's own environment; what a surrounding hook put there is neutralised.
    inherited = {name: "" for name in os.environ if name.startswith("GIT_CONFIG_") and name.endswith("PARAMETERS")}
    return inherited | git_environment(offline=False) | {"GIT_ALLOW_PROTOCOL": ":".join(_PROTOCOLS)}


def _refuse_unsafe(url: str) -> None:
    scheme = url.partition("://")[0].lower() if _WITH_SCHEME.match(url) else "ssh"
    try:
        git.Git.check_unsafe_protocols(url)
    except git.UnsafeProtocolError as error:
        raise _refused(url) from error
    if url.startswith("-") or scheme not in _PROTOCOLS or any(character in url for character in "\n\r\0"):
        raise _refused(url)


def _refused(url: str) -> RepositoryError:
    return RepositoryError(
        f"{public_url(url)!r} is not a URL that Hearth clones from", advice=f"Use one of: {', '.join(_PROTOCOLS)}."
    )


def _unreachable(url: str, stderr: str) -> RepositoryUnavailable:
    lines = [line.strip(" '\"") for line in stderr.splitlines() if line.strip(" '\"")]
    reason = next((line for line in reversed(lines) if line.startswith(("fatal:", "ssh:", "remote:"))), "")
    reason = (reason or (lines[-1] if lines else "git gave no reason")).replace(url, public_url(url))
    return RepositoryUnavailable(
        f"{public_url(url)} cannot be read: {reason}",
        advice="Check the URL and that git can read it without asking: git ls-remote URL.",
    )
