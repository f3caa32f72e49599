"""What hooks write down in the repository itself, so that a push neither waits for Hearth nor needs it to run.

``hearth/spool`` in the git directory holds one file a push, with lines as ``post-receive`` gets them: ``OLD NEW REF``,
or a ref alone. A file appears there complete, by renaming, and is deleted once the queue or the server has its refs.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from indexer.queue.refs import followed_names

LOCK = "lock"
SUFFIX = ".refs"
_MOST_FILE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Spooled:
    """Refs that were written down, by their full names, and the files to delete when someone has taken them."""

    refs: tuple[str, ...]
    files: tuple[Path, ...]

    def names(self) -> tuple[str, ...]:
        """Return the short names of the branches and tags."""
        return followed_names(self.refs)

    def taken(self) -> None:
        """Delete the files: the refs are safe elsewhere."""
        for file in self.files:
            file.unlink(missing_ok=True)


def hearth_directory(git_dir: Path) -> Path:
    """Return where Hearth keeps what belongs to a repository, given the directory that its work trees share."""
    return git_dir / "hearth"


def spool_directory(git_dir: Path) -> Path:
    """Return where the hooks of a repository write down what was pushed."""
    return hearth_directory(git_dir) / "spool"


def open_for_news(git_dir: Path) -> None:
    """Let the next push start a new messenger; to be called before the spool is read."""
    with contextlib.suppress(OSError):
        (spool_directory(git_dir) / LOCK).rmdir()


def read(git_dir: Path) -> Spooled:
    """Return all that waits in the spool of a repository. Raises OSError when it cannot be read."""
    directory = spool_directory(git_dir)
    files = sorted(directory.glob(f"*{SUFFIX}")) if directory.is_dir() else []
    refs: dict[str, None] = {}
    for file in files:
        with file.open(encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines.read(_MOST_FILE_BYTES).splitlines():
                if line.strip():
                    refs[line.rsplit(" ", 1)[-1]] = None
    return Spooled(tuple(refs), tuple(files))


def merge(git_dir: Path, spooled: Spooled) -> None:
    """Put what nobody took into one file, so that the spool stays small however long the server is away."""
    if len(spooled.files) < 2:
        return
    directory = spool_directory(git_dir)
    with tempfile.NamedTemporaryFile(
        "w", dir=directory, delete=False, encoding="utf-8", errors="surrogateescape"
    ) as file:
        file.writelines(f"{ref}\n" for ref in spooled.refs)
        file.flush()
        os.fsync(file.fileno())
    merged = Path(file.name)
    merged.replace(merged.with_suffix(SUFFIX))
    spooled.taken()
