"""What a run is asked to be, and the command line that makes it."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass
from pathlib import Path

from server.errors import RunRefused

_NICENESS = 10
_MOST_LABEL = 100
BOUNDS = {"keys": (20, 20_000), "seeds": (1, 10), "sessions": (1, 100), "speed": (0.5, 20.0)}
"""Least and most of each number that may be chosen."""


class MeasuredEngine(enum.StrEnum):
    """What Hearth asks while it is measured."""

    FIXED = "fixed"
    """An engine with fixed latencies: what remains is Hearth's own time on this machine."""
    MODEL = "model"
    """The model server of the settings."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run of the latency benchmark.

    Attributes:
        repository: The name of the repository whose history is typed again.
        git_dir: Where it is; only read.
        engine: What Hearth asks.
        keys: How many characters are typed on each path with each seed.
        seeds: How many times, each with other sessions.
        sessions: How many type at once.
        speed: How fast; 1 is human.
        whole_index: Whether Hearth searches all that is indexed meanwhile, or that repository alone.
        label: What the run is called by whoever asks for it.
    """

    repository: str
    git_dir: Path
    engine: MeasuredEngine = MeasuredEngine.FIXED
    keys: int = 200
    seeds: int = 3
    sessions: int = 1
    speed: float = 1.0
    whole_index: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        """Check the bounds. Raises RunRefused."""
        for name, (least, most) in BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise RunRefused(f"`{name}` is a number from {least:g} to {most:g}.")
        if len(self.label) > _MOST_LABEL or not self.label.isprintable():
            raise RunRefused(f"The label has at most {_MOST_LABEL} characters, all of them printable.")

    def command(self, data: Path, config: Path, progress: Path) -> list[str]:
        """Return the program and its arguments.

        Args:
            data: The data directory that keeps the run, and has the index.
            config: A hearth.toml with the settings to measure with.
            progress: The file that is to say how far the run is.
        """
        return [
            *("nice", "-n", str(_NICENESS), sys.executable, "-P", "-m", "benchmarks.latency"),
            *("--repo", str(self.git_dir), f"--name={self.repository}", f"--label={self.label}"),
            *("--keys", str(self.keys), "--seeds", str(self.seeds)),
            *("--sessions", str(self.sessions), "--speed", str(self.speed)),
            *("--config", str(config), "--progress", str(progress), "--keep", str(data)),
            *(("--data", str(data)) if self.whole_index else ()),
            *(("--configured-engine",) if self.engine is MeasuredEngine.MODEL else ()),
        ]
