"""Runs git on repositories that nobody vouches for: it asks nothing, fetches nothing, runs no configured program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from indexer.errors import NotARepository, RepositoryError, RepositoryUnavailable

# A repository's own configuration may name programs. Those that reading could start are switched off.
_SAFE_OPTIONS = (
    "-c", "core.fsmonitor=false",
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "core.pager=cat",
    "-c", "log.showSignature=false",
    "-c", "core.quotePath=false",
)  # fmt: skip
_OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
_GIT_VARIABLES_KEPT = frozenset({"GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_SSL_CAINFO", "GIT_SSL_NO_VERIFY"})


def git_environment(*, offline: bool = True) -> dict[str, str]:
    """Return the environment to run git in.

    Variables of a surrounding git (a hook sets ``GIT_DIR``) are removed; git never asks for a password; messages are
    in English so that errors can be told apart. With ``offline`` no protocol may be used at all, so that a partial
    clone cannot fetch, through a program of its choice, what it lacks.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _GIT_VARIABLES_KEPT or name.startswith("GIT_CONFIG_GLOBAL")
    }
    for name in ("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM"):
        if name in os.environ:
            kept[name] = os.environ[name]
    kept |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "LANGUAGE": "C"}
    return kept | _OFFLINE if offline else kept


def run_git(
    directory: Path,
    *arguments: str,
    git_dir: Path | None = None,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
    ok: frozenset[int] = frozenset({0}),
) -> bytes:
    """Run one git command in ``directory`` to its end and return what it printed.

    Args:
        directory: Where git starts looking for the repository.
        arguments: The command and its arguments; the caller guards what comes from people with ``--end-of-options``.
        git_dir: The repository itself, when it is known already.
        options: Further options before the command.
        environment: In place of :func:`git_environment`.
        seconds: How long to wait.
        ok: Exit codes that are answers.

    Raises:
        RepositoryError: git is missing, refused, failed or took too long.
    """
    command = command_line(*arguments, git_dir=git_dir, options=options)
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=dict(environment) if environment is not None else git_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RepositoryUnavailable(f"git {arguments[0]} took longer than {seconds:g} s in {directory}") from error
    except OSError as error:
        raise NotARepository(f"{directory} cannot be opened: {error.strerror}", advice="Check the path.") from error
    if done.returncode not in ok:
        raise git_failure(directory, arguments[0], done.stderr)
    return done.stdout


def command_line(*arguments: str, git_dir: Path | None = None, options: Sequence[str] = ()) -> list[str]:
    """Return the argument list for one git command with every safety option in front."""
    where = [f"--git-dir={git_dir}"] if git_dir is not None else []
    return [git_program(), "--no-replace-objects", *_SAFE_OPTIONS, *options, *where, *arguments]


@lru_cache(maxsize=1)
def git_program() -> str:
    """Return the path of git. Raises RepositoryError when it is not installed."""
    program = shutil.which("git")
    if program is None:
        raise RepositoryError("git is not installed", advice="Install git 2.31 or later and make it part of PATH.")
    return program


def git_failure(directory: Path, command: str, stderr: bytes) -> RepositoryError:
    """Say in our own words why git gave up in ``directory``."""
    text = stderr.decode("utf-8", "replace").strip()
    last = text.splitlines()[-1] if text else "it gave no reason"
    if "dubious ownership" in text:
        return RepositoryUnavailable(
            f"git refuses to read {directory} because it belongs to another user",
            advice=f"If you trust it: git config --global --add safe.directory {directory}",
        )
    if "not a git repository" in text:
        return NotARepository(
            f"{directory} is not a git repository",
            advice="Give the directory of a clone, or a URL to clone from. "
            "Any folder becomes one with: git init && git add --all && git commit -m files",
        )
    if "could not fetch" in text or "bad object" in text or "unable to read" in text or "missing" in text:
        return RepositoryUnavailable(
            f"{directory} lacks objects that are needed: {last}",
            advice="It may be a partial or damaged clone: try `git fsck` and `git fetch --refetch` there.",
        )
    return RepositoryUnavailable(f"git {command} failed in {directory}: {last}")
