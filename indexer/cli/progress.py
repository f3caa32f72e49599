"""Progress of an indexing run on standard error: a bar on a terminal, a line a stage elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from indexer.terminal import visible_name
from indexer.types import IndexReport, Progress

_STAGES = {
    "fetch": "fetching",
    "diff": "comparing",
    "blobs": "reading blobs",
    "publish": "publishing",
    "corpus": "building the corpus",
}
_LINE_SHARE = 0.25


class ProgressDisplay:
    """Shows one job; a context manager that leaves the terminal clean.

    Args:
        title: What to show before the worker has said a name.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._console = Console(file=sys.stderr, highlight=False)
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._last: tuple[str, str, int] = ("", "", 0)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars = Bars(
                TextColumn("[bold]{task.fields[name]}[/]"),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._bars.start()
            self._task = self._bars.add_task("starting", total=None, name=escape(self._title))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Show where the run is."""
        stage = progress.message or _STAGES.get(progress.stage, progress.stage)
        name = f"{progress.repository} {progress.ref}".strip()
        if self._bars is not None and self._task is not None:
            self._bars.update(
                self._task,
                description=escape(stage),
                completed=progress.done,
                total=progress.total or None,
                name=escape(name),
            )
            return
        # Without a terminal (a log, a pipe) four lines a stage are plenty.
        part = int(progress.done / progress.total / _LINE_SHARE) if progress.total > 1 else 0
        if (name, progress.stage, part) != self._last:
            self._last = (name, progress.stage, part)
            count = f" {progress.done:,}/{progress.total:,}" if progress.total > 1 else ""
            self._console.print(f"{escape(name)}: {escape(stage)}{count}", soft_wrap=True)

    def finish(self, report: IndexReport) -> None:
        """Say what came of one ref."""
        self._console.print(
            f"[bold]{escape(report.repository)}[/] {escape(report.ref)} at {report.commit[:12]}: "
            f"{report.files:,} files, {report.chunks:,} chunks, {report.blobs_processed:,} blobs new, "
            f"{report.skipped:,} left out, {report.seconds:.1f} s",
            soft_wrap=True,
        )
        for warning in report.warnings:
            self._console.print(f"  [yellow]warning:[/] {escape(visible_name(warning))}", soft_wrap=True)
