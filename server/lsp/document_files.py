"""Files with text that an editor is asked to show, and a way to send such text to the machine where the editor is."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote, unquote

_KEPT = 20
_DATA = "data:text/markdown;charset=utf-8,"


class DocumentFiles:
    """Files of this user alone, in a folder that is made with the first of them and goes with the session.

    Blocks: use it off the event loop. Several threads may.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def publish(self, text: str) -> str:
        """Write a document and return its URI; only the newest are kept.

        Raises:
            OSError: It cannot be written.
        """
        with self._lock:
            if self._folder is None:
                # Nobody else may enter it.
                self._folder = Path(tempfile.mkdtemp(prefix="hearth-"))
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
                self._folder = None


def to_data_uri(text: str) -> str:
    """Return a URI that is all of a document, for an editor on a machine where no file can be written from here."""
    return _DATA + quote(text)


def from_data_uri(uri: object) -> str | None:
    """Return the text of a URI of :func:`to_data_uri`, or None for any other."""
    return unquote(uri.removeprefix(_DATA)) if isinstance(uri, str) and uri.startswith(_DATA) else None
