"""Who changed some lines and why: the short log that explanations cite."""

from __future__ import annotations

from collections.abc import Iterator

from indexer.diff.git import run_git
from indexer.diff.source import GitSource
from indexer.errors import RepositoryError
from indexer.types import HistoryEntry

_FORMAT = "%x01%H%x00%at%x00%an%x00%s%x00"


def line_history(
    source: GitSource, commit: str, path: str, start_line: int, end_line: int, *, limit: int, seconds: float
) -> tuple[HistoryEntry, ...]:
    """Return the last commits that changed lines ``start_line..end_line`` (1-based, inclusive) as of ``commit``.

    Falls back to the history of the whole file when git takes longer than ``seconds`` to follow the lines; empty when
    even that cannot be read.
    """
    common = ("log", "--no-color", "--no-ext-diff", "--no-textconv", "--no-mailmap", f"--max-count={limit}")
    lines = (
        *common,
        f"--format={_FORMAT}",
        "--no-patch",
        f"-L{start_line},{end_line}:{path}",
        "--end-of-options",
        commit,
    )
    whole = (*common, f"--format={_FORMAT}", "--end-of-options", commit, "--", f":(literal,top){path}")
    # -L parses its argument itself: a path with a line break or one that looks like magic is left to the second form.
    attempts = (whole,) if "\n" in path else (lines, whole)
    for arguments in attempts:
        try:
            printed = run_git(source.git_dir, *arguments, git_dir=source.git_dir, seconds=seconds)
        except RepositoryError:
            continue
        return tuple(_parse(printed.decode("utf-8", "replace")))
    return ()


def _parse(printed: str) -> Iterator[HistoryEntry]:
    for record in printed.split("\x01")[1:]:
        commit, seconds, author, subject, *_ = record.split("\0")
        yield HistoryEntry(commit, float(seconds), author, subject)
