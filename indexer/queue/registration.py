"""What may be registered, and under which name: the one place where commands, pages and configuration agree on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from indexer.config import RepositoriesConfig, RepositoryEntry
from indexer.credentials import check_credential
from indexer.diff import GitSource, check_url, is_url, url_name
from indexer.errors import ConfigError, IndexerError, SourceRefused
from indexer.queue.registry import Origin, Repository

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_MOST_PATTERNS = 100


def make_repository(
    source: str,
    config: RepositoriesConfig,
    *,
    origin: Origin,
    name: str = "",
    branches: Sequence[str] = (),
    credential: str = "",
    poll_minutes: float = 0.0,
    paused: bool = False,
) -> Repository:
    """Check what someone wants to register; reads the disk when ``source`` is a path.

    Whoever writes the configuration or runs commands on this machine may name any path. Others, who come through pages
    and the API, are held to ``allowed_paths`` and ``allowed_credentials``: they choose which host is shown the secret.

    Raises:
        SourceRefused: The URL, path, name, pattern or credential is not allowed.
        RepositoryError: There is no repository at the path.
    """
    check_credential(credential)
    if origin is Origin.PAGE and credential and credential not in config.allowed_credentials:
        raise SourceRefused(
            "this credential may not be used by page or API",
            advice="List its place under `allowed_credentials` in [repositories] of hearth.toml.",
        )
    if not source.isprintable():
        raise SourceRefused("the URL or path holds a character that cannot be printed")
    if is_url(source):
        check_url(source)
        place, derived = source.rstrip("/"), url_name(source)
    else:
        opened = _open_path(source, config, anywhere=origin is not Origin.PAGE)
        place, derived = str(opened.root), opened.name
    chosen = name or re.sub(r"[^A-Za-z0-9._/-]+", "-", derived).lstrip("._/-")
    if not _NAME.fullmatch(chosen):
        raise SourceRefused(
            f"{chosen!r} cannot be the name of a repository",
            advice="Use letters, digits, dots, dashes, underscores and slashes, at most 128, with --name.",
        )
    check_branches(branches)
    return Repository(chosen, place, tuple(branches), credential, poll_minutes, paused, origin)


def check_branches(patterns: Sequence[str]) -> None:
    """Refuse patterns of branches that cannot be followed.

    Raises:
        SourceRefused: There are too many, or one is empty, too long or holds white space.
    """
    if len(patterns) > _MOST_PATTERNS or any(not _is_pattern(pattern) for pattern in patterns):
        raise SourceRefused(
            "a pattern of branches is empty, too long or holds white space", advice="Use patterns such as release/*."
        )


def configured_repositories(entries: Sequence[RepositoryEntry], config: RepositoriesConfig) -> list[Repository]:
    """Check the ``[[repository]]`` tables of ``hearth.toml``.

    Raises:
        ConfigError: Naming the first that is not usable.
    """
    found = []
    for entry in entries:
        try:
            found.append(
                make_repository(
                    entry.source,
                    config,
                    origin=Origin.CONFIGURATION,
                    name=entry.name,
                    branches=entry.branches,
                    credential=entry.credential,
                    poll_minutes=entry.poll_minutes,
                    paused=entry.paused,
                )
            )
        except IndexerError as error:
            raise ConfigError(f"[[repository]] {entry.name}: {error.message}", advice=error.advice) from error
    return found


def _open_path(source: str, config: RepositoriesConfig, *, anywhere: bool) -> GitSource:
    path = Path(source).expanduser()
    if not anywhere:
        # Links are followed before and after: neither the path nor what it leads to may lie elsewhere.
        allowed = [Path(directory).expanduser().resolve() for directory in config.allowed_paths]
        if not path.is_absolute() or not _inside(path, allowed):
            raise _outside(source)
        opened = GitSource.open(path)
        if not all(_inside(place, allowed) for place in (opened.root, opened.git_dir, opened.common_dir)):
            raise _outside(source)
        return opened
    return GitSource.open(path)


def _inside(path: Path, directories: Sequence[Path]) -> bool:
    resolved = path.resolve()
    return any(resolved.is_relative_to(directory) for directory in directories)


def _outside(source: str) -> SourceRefused:
    return SourceRefused(
        f"{source!r} is not below a directory that repositories may be registered from",
        advice="List the directory under `allowed_paths` in [repositories] of hearth.toml, or give a URL.",
    )


def _is_pattern(pattern: str) -> bool:
    return 0 < len(pattern) <= 256 and pattern.isprintable() and " " not in pattern and not pattern.startswith("-")
