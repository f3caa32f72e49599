"""Options that every command shares, and how a command learns its settings.

The commands of the indexer run below ``hearth``, whose main program reads ``hearth.toml``. It hands a loader down
through the command's context, so that the indexer never needs to know how the whole file is laid out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from indexer.config import IndexConfig, RepositoriesConfig, RepositoryEntry

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Directory that holds the index. Default: the one that hearth.toml names, else the user's data directory.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The hearth.toml to read. Default: $HEARTH_CONFIG, else the user's, else the machine's.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON on standard output, errors too.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What a command of the indexer needs from the configuration: where the data is, and the indexer's own tables."""

    data: Path
    index: IndexConfig
    repositories: RepositoriesConfig
    configured: tuple[RepositoryEntry, ...]


SettingsLoader = Callable[[Path | None, Path | None], IndexSettings]
"""``(--data, --config)`` → settings. Raises :class:`indexer.errors.ConfigError`."""


def settings(context: typer.Context, data: Path | None, config: Path | None) -> IndexSettings:
    """Return the settings for ``--data`` and ``--config`` through the loader that the main program put in place.

    A command asks for ``context: typer.Context`` and passes it here.
    """
    loader: SettingsLoader = context.find_root().obj
    return loader(data, config)
