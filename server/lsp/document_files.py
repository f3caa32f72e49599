"""Files with text that an editor is asked to show, and a way to send such text to the machine where the editor is."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

_KEPT = 20
_PREFIX = "hearth-documents-"
_DATA = "data:text/markdown;charset=utf-8,"


class DocumentFiles:
    """Files of this user alone, in a folder that is made with the first of them and goes with the session.

    A session that is killed leaves its folder behind. The next one that makes a folder removes it, as nobody holds the
    lock on it any more.

    Blocks: use it off the event loop. Several threads may.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._hold = -1
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def publish(self, text: str) -> str:
        """Write a document and return its URI; only the newest are kept.

        Raises:
            OSError: It cannot be written.
        """
        with self._lock:
            if self._folder is None:
                _remove_leftovers(Path(tempfile.gettempdir()))
                self._folder, self._hold = _make_folder()
            number = next(self._numbers)
            (self._folder / f"explanation-{number - _KEPT}.md").unlink(missing_ok=True)
            file = self._folder / f"explanation-{number}.md"
            file.write_text(text, encoding="utf-8", newline="\n")
            return file.as_uri()

    def close(self) -> None:
        """Remove all of them. Idempotent."""
        with self._lock:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                os.close(self._hold)
                self._folder = None


def _make_folder() -> tuple[Path, int]:
    """Make a folder that nobody else may enter, and return it with the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Somebody who looks for leftovers may be between the two steps.
        with suppress(FileNotFoundError):
            hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            fcntl.flock(hold, fcntl.LOCK_EX)
            if folder.exists():
                return folder, hold
            os.close(hold)


def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # gone, another user's, or no folder
            continue
        try:
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(hold).st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:  # in use
            continue
        finally:
            os.close(hold)


def to_data_uri(text: str) -> str:
    """Return a URI that is all of a document, for an editor on a machine where no file can be written from here."""
    return _DATA + quote(text)


def from_data_uri(uri: object) -> str | None:
    """Return the text of a URI of :func:`to_data_uri`, or None for any other."""
    return unquote(uri.removeprefix(_DATA)) if isinstance(uri, str) and uri.startswith(_DATA) else None
