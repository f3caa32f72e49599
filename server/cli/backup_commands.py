"""The commands ``hearth backup`` and ``hearth restore`` as the user sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from indexer.cli_options import ConfigOption, DataOption, JsonOption

_PANEL = "Service"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup", rich_help_panel=_PANEL)(backup)
    app.command("restore", rich_help_panel=_PANEL)(restore)


def backup(
    *,
    target: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help="A new directory, or a new archive: FILE.tar or FILE.tar.gz.")
    ],
    index: Annotated[
        bool, typer.Option("--index", help="Also the index, which can be made again from the repositories.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="With --index: wait while another process writes to it.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up what cannot be made again: accounts, registered repositories, the audit log, keys.

    The server may go on running. What was written is read again and checked before it gets its name; nobody but you
    may read it. Files that hearth.toml names (certificates, secrets) are not in it.

    `hearth backup /var/backups/hearth-$(date +%F)`

    `hearth backup --index --wait /var/backups/hearth.tar.gz`
    """
    from server.cli.backup import back_up  # noqa: PLC0415  # start-up time
    from server.config import load  # noqa: PLC0415  # as above

    loaded = load(config, data=data)
    back_up(loaded.config, loaded.file, target, index=index, wait=wait, as_json=as_json)


def restore(
    *,
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="The directory or archive that `backup` made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Set aside what is in the data directory already.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup back, onto an empty machine or in the place of what is there.

    It is checked as a whole first. A server that uses the data directory has to be stopped.

    `hearth restore /var/backups/hearth-2026-03-01`
    """
    from server.cli.backup import put_back  # noqa: PLC0415  # start-up time
    from server.config import load  # noqa: PLC0415  # as above

    put_back(load(config, data=data).config, source, replace=replace, as_json=as_json)
