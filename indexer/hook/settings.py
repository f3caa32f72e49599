"""Where the hooks of one repository send their news; kept in the repository, because a hook knows nothing else."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.errors import HookError
from indexer.queue.spool import hearth_directory

_FILE = "hook.json"


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Either ``data``, a data directory on this machine, or ``server`` with the file that holds its token."""

    repository: str
    data: str = ""
    server: str = ""
    token_file: str = ""


def write_settings(git_dir: Path, settings: HookSettings) -> None:
    """Store the settings of a repository, given the directory that its work trees share."""
    directory = hearth_directory(git_dir)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=directory, delete=False, encoding="utf-8") as file:
        json.dump(asdict(settings), file)
    # As readable as the repository: whoever may push must be able to send the news.
    umask = os.umask(0o022)
    os.umask(umask)
    Path(file.name).chmod(0o666 & ~umask)
    Path(file.name).replace(directory / _FILE)


def read_settings(git_dir: Path) -> HookSettings | None:
    """Return what was stored, None when no hook was installed.

    Raises:
        HookError: The file is not usable.
    """
    path = hearth_directory(git_dir) / _FILE
    try:
        return HookSettings(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise HookError(f"{path} cannot be used: {error}", advice="Run `hearth hooks install` again.") from error


def remove_settings(git_dir: Path) -> None:
    """Forget the settings."""
    (hearth_directory(git_dir) / _FILE).unlink(missing_ok=True)
