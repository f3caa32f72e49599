"""Puts hooks into a repository, takes them out, and says which are there."""

from __future__ import annotations

import contextlib
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.diff import GitSource
from indexer.diff.git import git_environment, git_program
from indexer.errors import HookError
from indexer.hook.script import BEGIN, with_block, without_block
from indexer.hook.settings import HookSettings, read_settings, remove_settings, write_settings
from indexer.queue.spool import hearth_directory, read, spool_directory

SERVER_HOOKS = ("post-receive",)
CLONE_HOOKS = ("post-commit", "post-merge", "post-checkout", "post-rewrite")
_ERROR_FILE = "last-error"
_MOST_HOOK_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class HookStatus:
    """The hooks of one repository.

    Attributes:
        root: The repository.
        hooks: Names of the hooks that have our lines.
        missing: Those that should have them and do not.
        settings: Where the news goes; None when nothing is installed.
        waiting: How many refs wait in the spool.
        problem: Why they could not be delivered last time, empty when they could.
    """

    root: Path
    hooks: tuple[str, ...]
    missing: tuple[str, ...]
    settings: HookSettings | None
    waiting: int
    problem: str


def install(repository: Path, settings: HookSettings, command: Sequence[str]) -> HookStatus:
    """Add our lines to the hooks of a repository, or bring them up to date; all of them or none.

    Args:
        repository: A path in or of it.
        settings: Where the news goes.
        command: The beginning of the command line that takes it there; the repository is added to it.

    Raises:
        HookError: A hook is not a shell script, is part of what is versioned, or belongs to other repositories too.
        RepositoryError: There is no repository.
    """
    source = GitSource.open(repository)
    directory = _hooks_directory(source)
    texts: dict[Path, str] = {}
    for name in _wanted(source):
        path = directory / name
        existing = _read_hook(path)
        if existing is not None and _is_tracked(source, path):
            raise HookError(
                f"{path} is versioned in the repository itself",
                advice=f"Add the line `hearth hooks notify {source.root}` to it yourself, or change core.hooksPath.",
            )
        texts[path] = with_block(
            existing,
            spool=spool_directory(source.common_dir),
            command=[*command, str(source.common_dir)],
            from_push=name in SERVER_HOOKS,
            path=path,
        )
    try:
        write_settings(source.common_dir, settings)
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            _replace(path, text)
    except OSError as error:
        raise HookError(
            f"the hooks in {directory} cannot be written: {error.strerror}",
            advice="Run this as the user that owns the repository.",
        ) from error
    return hook_status(repository)


def uninstall(repository: Path) -> HookStatus:
    """Take our lines out again; a hook that has no others is deleted. Raises as :func:`install`."""
    source = GitSource.open(repository)
    directory = _hooks_directory(source)
    try:
        for name in (*SERVER_HOOKS, *CLONE_HOOKS):
            path = directory / name
            existing = _read_hook(path)
            if existing is None or BEGIN not in existing:
                continue
            left = without_block(existing, path)
            if left:
                _replace(path, left)
            else:
                path.unlink()
        remove_settings(source.common_dir)
    except OSError as error:
        raise HookError(
            f"the hooks in {directory} cannot be changed: {error.strerror}",
            advice="Run this as the user that owns the repository.",
        ) from error
    return hook_status(repository)


def hook_status(repository: Path) -> HookStatus:
    """Say which hooks a repository has and what waits. Raises as :func:`install`."""
    source = GitSource.open(repository)
    directory = _hooks_directory(source)
    found = tuple(name for name in (*SERVER_HOOKS, *CLONE_HOOKS) if BEGIN in (_read_hook(directory / name) or ""))
    try:
        waiting = len(read(source.common_dir).refs)
    except OSError as error:
        waiting, problem = 0, f"the spool cannot be read: {error.strerror}"
    else:
        problem = read_problem(source.common_dir)
    return HookStatus(
        source.root,
        found,
        tuple(name for name in _wanted(source) if name not in found),
        read_settings(source.common_dir),
        waiting,
        problem,
    )


def record_problem(git_dir: Path, problem: str) -> None:
    """Keep why the news could not be delivered, for ``hearth hooks status``; empty when it could."""
    path = hearth_directory(git_dir) / _ERROR_FILE
    with contextlib.suppress(OSError):
        if problem:
            path.write_text(problem, encoding="utf-8")
        else:
            path.unlink(missing_ok=True)


def read_problem(git_dir: Path) -> str:
    """Return what :func:`record_problem` kept last."""
    try:
        return (hearth_directory(git_dir) / _ERROR_FILE).read_text(encoding="utf-8", errors="replace")[:1_000]
    except OSError:
        return ""


def _wanted(source: GitSource) -> tuple[str, ...]:
    return SERVER_HOOKS if source.bare else CLONE_HOOKS


def _hooks_directory(source: GitSource) -> Path:
    """Return where git looks for hooks, ``core.hooksPath`` and linked work trees considered."""
    # Not run_git(): it switches hooks off, which is just what is asked for here.
    done = subprocess.run(
        [git_program(), "rev-parse", "--git-path", "hooks"],
        cwd=source.root,
        env=git_environment(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise HookError(f"git does not say where the hooks of {source.root} are")
    directory = (source.root / done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")).resolve()
    if not any(directory.is_relative_to(place) for place in (source.common_dir, source.root)):
        raise HookError(
            f"the hooks of {source.root} are in {directory}, which other repositories may use too",
            advice="Set core.hooksPath for this repository alone, or let your hooks call `hearth hooks notify`.",
        )
    return directory


def _is_tracked(source: GitSource, path: Path) -> bool:
    if source.bare or not path.is_relative_to(source.root):
        return False
    done = subprocess.run(
        [git_program(), "ls-files", "--error-unmatch", "--", str(path)],
        cwd=source.root,
        env=git_environment(),
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _read_hook(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read(_MOST_HOOK_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise HookError(f"{path} cannot be read as a script", advice="Move it away and install again.") from error


def _replace(path: Path, text: str) -> None:
    """Write a hook beside the old one and put it in its place, so that no push ever meets half of it."""
    # A hook that is a link stays one: what it leads to is replaced.
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o755
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, prefix=f".{target.name}-", delete=False, encoding="utf-8", newline=""
    ) as file:
        file.write(text)
    written = Path(file.name)
    # A hook that could not be run before would begin to run now: git passes over those.
    written.chmod(mode | 0o100)
    written.replace(target)
