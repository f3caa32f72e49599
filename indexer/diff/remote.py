"""Bare mirrors of URLs, cloned and fetched with GitPython."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from indexer.diff.git import git_environment, git_program, run_git
from indexer.diff.mirror import PROTOCOLS, FetchProgress
from indexer.errors import RepositoryUnavailable

# GitPython looks for git while it is imported and fails there; a missing git is reported by git_program() instead.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import git

_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def bring_up_to_date(
    path: Path, url: str, public: str, progress: FetchProgress | None, environment: Mapping[str, str] | None = None
) -> None:
    """Clone ``url`` to ``path``, or fetch what is new and forget what is gone.

    Args:
        path: Where the mirror is; it appears there complete or not at all.
        url: May hold a password.
        public: The same without it, for messages.
        progress: Called while objects of a clone arrive.
        environment: What git needs besides to read a registered remote; None for what the user's own git can read.

    Raises:
        RepositoryUnavailable: The URL cannot be read.
    """
    try:
        if (path / "HEAD").exists():
            _update(path, url, public, environment)
        else:
            _clone(url, path, progress, environment)
    except git.GitCommandError as error:
        raise _unreachable(url, public, str(error.stderr)) from error


def _clone(url: str, path: Path, progress: FetchProgress | None, environment: Mapping[str, str] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="clone-", ignore_cleanup_errors=True) as scratch:
        target = Path(scratch) / "repository.git"
        watch = _CloneProgress(progress)
        try:
            git.Repo.clone_from(
                url,
                target,
                progress=watch,  # type: ignore[arg-type]  # taken as it is; the annotation knows functions only
                env=_environment(environment),
                multi_options=["--bare"],
            ).close()
        except git.GitCommandError as error:
            # GitPython hands what git printed to the progress, and leaves none of it in the error.
            error.stderr = "\n".join([str(error.stderr), *watch.other_lines, *watch.error_lines])
            raise
        if path.exists():
            shutil.rmtree(path)
        target.replace(path)


class _CloneProgress(git.RemoteProgress):
    """Passes on how far a clone is."""

    def __init__(self, progress: FetchProgress | None) -> None:
        super().__init__()
        self._progress = progress

    def update(
        self, op_code: int, cur_count: str | float, max_count: str | float | None = None, message: str = ""
    ) -> None:
        if self._progress is not None:
            self._progress(int(float(cur_count)), int(float(max_count or 0)))


def _update(path: Path, url: str, public: str, environment: Mapping[str, str] | None) -> None:
    # Credentials may have changed since the clone; a URL without any keeps those that git already knows.
    # A registered remote has none in its URL, and an earlier clone may have left some.
    if public != url or environment is not None:
        run_git(path, "remote", "set-url", "--", "origin", url, git_dir=path)
    repository = git.Repo(path)
    try:
        fetch = ["fetch", "--prune", "--force", "--no-recurse-submodules", "--quiet", "origin", *_REFSPECS]
        repository.git.execute([git_program(), f"--git-dir={path}", *fetch], env=_environment(environment))
        head = repository.git.execute(
            [git_program(), f"--git-dir={path}", "ls-remote", "--symref", "origin", "HEAD"],
            env=_environment(environment),
        )
    finally:
        repository.close()
    branch = re.match(r"ref: (refs/heads/\S+)\tHEAD", str(head))
    if branch:
        run_git(path, "symbolic-ref", "HEAD", branch.group(1), git_dir=path)


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    # GitPython starts from the process's own environment; what a surrounding hook put there is neutralised.
    inherited = {name: "" for name in os.environ if name.startswith("GIT_CONFIG_") and name.endswith("PARAMETERS")}
    return inherited | git_environment(offline=False) | {"GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS)} | dict(extra or {})


def _unreachable(url: str, public: str, stderr: str) -> RepositoryUnavailable:
    lines = [line.strip(" '\"") for line in stderr.splitlines() if line.strip(" '\"")]
    reason = next((line for line in reversed(lines) if line.startswith(("fatal:", "ssh:", "remote:"))), "")
    reason = (reason or (lines[-1] if lines else "git gave no reason")).replace(url, public)
    return RepositoryUnavailable(
        f"{public} cannot be read: {reason}",
        advice="Check the URL and that git can read it without asking: git ls-remote URL.",
    )
