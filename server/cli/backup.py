"""``hearth backup`` and ``hearth restore``."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Any

from indexer.backup import CONFIGURATION, Backup, Manifest, Restored, restore, write_backup
from indexer.cli.progress import ProgressDisplay
from server.cli.data_files import PARTS
from server.cli.output import print_json
from server.config import HearthConfig
from server.gateway import audit

_WAIT_SECONDS = 24 * 3600.0


def back_up(config: HearthConfig, file: Path | None, target: Path, *, index: bool, wait: bool, as_json: bool) -> None:
    """Write a backup and say what it has.

    Args:
        config: All settings.
        file: The hearth.toml that they are from.
        target: The directory or archive to make.
        index: Whether the index is copied as well.
        wait: Whether to wait while another process writes to the index.
        as_json: Print an object in place of sentences.
    """
    data = config.data.directory
    with ProgressDisplay("backup") as display:
        made = write_backup(
            data,
            target,
            PARTS,
            index=index,
            configuration=file,
            progress=display.show,
            wait_seconds=_WAIT_SECONDS if wait else 0.0,
        )
    # In the log from now on: whoever has the backup has the accounts.
    audit.note_now(data, config.server.audit, "backup-made", user=getpass.getuser(), path=str(target.absolute()))
    if as_json:
        print_json(
            {
                "backup": str(target.absolute()),
                **_described(made.manifest),
                "left_out": list(made.strangers),
                "removed": [str(path) for path in made.removed],
                "seconds": round(made.seconds, 3),
            }
        )
        return
    _say_backup(made)


def put_back(config: HearthConfig, source: Path, *, replace: bool, as_json: bool) -> None:
    """Restore a backup and say what is there now."""
    data = config.data.directory
    with ProgressDisplay("restore") as display:
        restored = restore(source, data, PARTS, replace=replace, progress=display.show)
    audit.note_now(data, config.server.audit, "restored", user=getpass.getuser(), path=str(source.absolute()))
    if as_json:
        print_json(
            {
                "data": str(data),
                **_described(restored.manifest),
                "replaced": str(restored.replaced) if restored.replaced else None,
                "seconds": round(restored.seconds, 3),
            }
        )
        return
    _say_restored(restored, source)


def _described(manifest: Manifest) -> dict[str, Any]:
    return {
        "made": manifest.made,
        "hearth": manifest.hearth,
        "index": manifest.index,
        "schemas": dict(manifest.schemas),
        "files": len(manifest.files),
        "bytes": sum(size for size, _ in manifest.files.values()),
    }


def _say_backup(made: Backup) -> None:
    index = "with" if made.manifest.index else "without"
    sys.stdout.write(
        f"{made.path}: {len(made.manifest.files):,} files, {made.bytes / 1e6:,.1f} MB, {index} the index, verified\n"
    )
    for path in made.removed:
        sys.stderr.write(f"hearth: {path}, which a backup left that was killed, was removed\n")
    for name in made.strangers:
        sys.stderr.write(f"hearth: {name} in the data directory is none of Hearth's and was left out\n")


def _say_restored(restored: Restored, source: Path) -> None:
    manifest = restored.manifest
    sys.stdout.write(f"{restored.data}: restored as of {manifest.made}, made by Hearth {manifest.hearth}\n")
    if restored.replaced is not None:
        sys.stdout.write(f"What was there before lies in {restored.replaced}.\n")
    if not manifest.index:
        sys.stdout.write(
            "The index is made anew: registered repositories by `hearth serve`, others by `hearth index`.\n"
        )
    if CONFIGURATION in manifest.files:
        sys.stdout.write(f"The {CONFIGURATION} of that time is in {source}.\n")
    sys.stdout.write("Tokens that were revoked since then can be used again: `hearth token list` shows them.\n")
