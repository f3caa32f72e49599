"""Typing sessions drawn from a repository's own history: what developers added, as key strokes with human timing."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LANGUAGES = {
    ".py": "python",
    ".ts": "typescript",
    ".tsx": "typescriptreact",
    ".js": "javascript",
    ".go": "go",
    ".java": "java",
    ".rs": "rust",
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".h": "cpp",
    ".cs": "csharp",
    ".rb": "ruby",
    ".php": "php",
    ".kt": "kotlin",
    ".sh": "shellscript",
}

_MAX_HUNK_LINES = 12
_MAX_FILE_BYTES = 200_000
_HUNKS_OF_A_COMMIT = 4


@dataclass(frozen=True, slots=True)
class Session:
    """One hunk that a developer added. ``before`` and ``after`` are the file around it, ``typed`` the added text.

    What the same commit changed further up in the file stands in ``before`` already; what it changed further down does
    not yet stand in ``after``.

    ``path`` is relative to the repository. ``delays`` holds the pause before each character of ``typed``, in seconds.
    """

    path: str
    language: str
    before: str
    typed: str
    after: str
    delays: tuple[float, ...]


def clone(repository: Path, directory: Path) -> Path:
    """Clone into ``directory`` without copying objects and without a work tree, so that the original is only read."""
    target = directory / (repository.name.removesuffix(".git") or "repository")
    _git(directory, "clone", "--quiet", "--shared", "--no-checkout", "--", str(repository), str(target))
    return target


def history_base(repository: Path, commits: int) -> str:
    """Return the id of the first-parent ancestor ``commits`` back, or of the first commit when there are fewer."""
    ids = _git(repository, "rev-list", "--first-parent", f"--max-count={commits + 1}", "HEAD").split()
    return ids[-1]


def sessions(repository: Path, base: str, seed: int, *, median_delay_s: float = 0.14) -> Iterator[Session]:
    """Yield the additions made after commit ``base``, in a random order fixed by ``seed``.

    Hunks that only add lines are taken, of up to 12 lines, in source files of up to 200 kB. A commit's hunks of a file
    are made from the top to the bottom, beginning with the file as it was in the parent commit. Delays are log-normal,
    as inter-key intervals of people are, around ``median_delay_s``, longer at the start of a line.
    """
    chance = random.Random(seed)
    commits = _git(repository, "rev-list", "--no-merges", f"{base}..HEAD").split()
    chance.shuffle(commits)
    for commit in commits:
        found = list(_additions(repository, commit))
        # A few that follow one another, as people work, so that one large change does not become the benchmark.
        first = chance.randrange(max(1, len(found) - _HUNKS_OF_A_COMMIT + 1))
        for path, before, typed, after in found[first : first + _HUNKS_OF_A_COMMIT]:
            delays = tuple(_delay(chance, median_delay_s, character) for character in typed)
            yield Session(path, LANGUAGES[PurePosixPath(path).suffix], before, typed, after, delays)


def _additions(repository: Path, commit: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield (path, text before, added text, text after) for each pure addition of a commit, as a developer makes it."""
    diff = _git(repository, "show", "--format=", "--unified=0", "--no-color", "--no-ext-diff", "--no-renames", commit)
    path = ""
    lines: tuple[list[str], list[str]] | None = None
    hunk = iter(diff.splitlines(keepends=True))
    for line in hunk:
        if line.startswith("+++ "):
            name = line[4:].rstrip("\n")
            path = name[2:] if name.startswith("b/") else ""
            lines = None
        elif line.startswith("@@ ") and PurePosixPath(path).suffix in LANGUAGES:
            old, new = line.split()[1:3]
            start, _, count = new[1:].partition(",")
            added = int(count or 1)
            if not old.endswith(",0") or not 0 < added <= _MAX_HUNK_LINES:
                continue
            if lines is None:
                lines = _lines(repository, f"{commit}^", path), _lines(repository, commit, path)
            parent, child = lines
            first = int(start) - 1
            added_text = "".join(child[first : first + added])
            # The last line end is there from the start: who adds a line opens an empty one and types into it.
            typed = added_text.rstrip("\r\n")
            if typed.strip():
                after = added_text[len(typed) :] + "".join(parent[int(old[1:-2]) :])
                yield path, "".join(child[:first]), typed, after


def _lines(repository: Path, commit: str, path: str) -> list[str]:
    """Return the lines of a file; none when the commit does not have it, or it is too large."""
    done = subprocess.run(["git", "-C", str(repository), "show", f"{commit}:{path}"], check=False, capture_output=True)
    if done.returncode or len(done.stdout) > _MAX_FILE_BYTES:
        return []
    return done.stdout.decode(errors="replace").splitlines(keepends=True)


def _delay(chance: random.Random, median_s: float, character: str) -> float:
    pause = chance.lognormvariate(0.0, 0.45) * median_s
    return min(2.0, pause * (3.0 if character == "\n" else 1.0))


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True)
    return done.stdout.decode(errors="replace")
