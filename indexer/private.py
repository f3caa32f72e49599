"""What Hearth keeps is for the user whose process it is, whatever permissions that user's other files get."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path

_NOBODY_ELSE = 0o077
_OWNER_ALONE = 0o600


def make_all_private() -> None:
    """Make whatever this process and those that it starts write their user's alone; for processes of Hearth's own."""
    os.umask(_NOBODY_ELSE)


def make_private(path: Path) -> None:
    """Make an empty file for a database, its user's alone, unless there is one, whose permissions stay as they are.

    SQLite takes an empty file for a new database, and gives its journals the same permissions.

    Raises:
        OSError: It cannot be made.
    """
    # One that is there is not opened: closing it again would take away the locks of every other connection of this
    # process.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, _OWNER_ALONE))


def owner_name(path: Path) -> str:
    """Return the name of the user whom a file belongs to, or the number of one that has no name."""
    number = path.lstat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
