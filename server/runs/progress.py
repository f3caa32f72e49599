"""How far a run is: written to a file by the benchmark, read by whoever watches it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_LEAST_SECONDS = 0.5
_MOST_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Attributes:
        stage: What is being done, in a few words.
        done: How many keys were typed.
        total: Of how many; 0 while there is nothing to count.
        kept: The id of the run that was kept in the end; empty until then.
    """

    stage: str = ""
    done: int = 0
    total: int = 0
    kept: str = ""


class ProgressFile:
    """Where progress is written, a few times a second at most.

    Args:
        path: The file; None writes nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last = Progress()
        self._written = 0.0

    def say(self, progress: Progress) -> None:
        """Write how far it is; what only counts on is left out for a while."""
        now = time.monotonic()
        counts_on = progress.stage == self._last.stage and not progress.kept
        if self._path is None or (counts_on and now < self._written + _LEAST_SECONDS):
            return
        self._last, self._written = progress, now
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        partial.replace(self._path)


def read_progress(path: Path) -> Progress:
    """Read how far it is; the start of everything when nothing was written yet, or it is not readable."""
    try:
        with path.open(encoding="utf-8") as file:
            return Progress(**json.loads(file.read(_MOST_BYTES)))
    except (OSError, ValueError, TypeError):
        return Progress()
