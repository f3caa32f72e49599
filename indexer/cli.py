"""``hearth index``, ``hearth status`` and ``hearth skips``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from indexer.cli_options import ConfigOption, DataOption, IndexSettings, JsonOption, settings
from indexer.errors import IndexerError
from indexer.types import IndexJob, IndexReport, IndexState, Progress, RefStatus, RepositoryStatus, Skip, SkipReason

_PANEL = "Index"
_PIPE_COLUMNS = 240
_WAIT_SECONDS = 24 * 3600.0
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))


def register(app: typer.Typer) -> None:
    """Add the commands to ``hearth``."""
    app.command(rich_help_panel=_PANEL)(index)
    app.command(rich_help_panel=_PANEL)(status)
    app.command(rich_help_panel=_PANEL)(skips)


def index(
    context: typer.Context,
    *,
    repositories: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="REPO…",
            help="Directory of a git repository, a URL to clone from, or the name of one that is indexed already.",
            show_default=False,
        ),
    ] = None,
    ref: Annotated[
        list[str] | None,
        typer.Option(
            "--ref",
            metavar="REF",
            help="Branch, tag or commit; may be given several times [default: those indexed before, else HEAD].",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            "--name", metavar="NAME", help="Name to index it under [default: from the path].", show_default=False
        ),
    ] = "",
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove branches that the source has no longer.", show_default=False)
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Throw the index away first, then index everything again.", show_default=False),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait while another process writes to the index.", show_default=False)
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index git repositories, or bring their index up to date.

    Only blobs that changed are read. What was indexed before can be searched all the time, and a run that is stopped
    or killed goes on where it was.

    `hearth index .`

    `hearth index ~/src/shop https://git.example.com/billing.git`

    `hearth index ~/src/shop --ref main --ref v2.1`

    With `--json` it prints one list: a report for each ref, `{"error": …, "source": …}` for what failed.
    The exit code is that of the first failure.
    """
    chosen = settings(context, data, config)
    sources = list(repositories or ())
    if name and len(sources) != 1:
        raise typer.BadParameter("--name needs exactly one repository")
    jobs = [IndexJob(source, name, tuple(ref or ()), prune) for source in sources]
    if rebuild:
        jobs = _discard(chosen, jobs)
    elif not jobs:
        if ref:
            raise typer.BadParameter("--ref needs a repository")
        jobs = [IndexJob(status.name, prune=prune) for status in _repositories(chosen)]
    if not jobs:
        raise typer.BadParameter("nothing is indexed yet: name a repository")
    results: list[dict[str, Any]] = []
    code = 0
    for job in jobs:
        try:
            results += [asdict(report) for report in _run(job, chosen, wait=wait)]
        except IndexerError as error:
            code = code or error.exit_code
            _complain(error, job.source if len(jobs) > 1 else "")
            fields = {"code": error.code, "message": error.message, "advice": error.advice}
            results.append({"error": fields, "source": job.source})
    if as_json:
        _print_json(results)
    raise typer.Exit(code)


def status(
    context: typer.Context, data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show what is indexed, how fresh it is and what failed.

    `hearth status`

    With `--json` it prints one list of repositories with their refs; `behind` counts the commits that the source has
    beyond the index, -1 when it cannot be asked.
    """
    chosen = settings(context, data, config)
    from indexer.api import Index  # noqa: PLC0415  # start-up time of every other command

    with Index.open(chosen.data, chosen.index) as opened:
        repositories = opened.repositories(ask_source=True)
    if as_json:
        _print_json([asdict(repository) for repository in repositories])
        return
    if not repositories:
        _console().print("Nothing is indexed yet. Start with: hearth index REPO")
        return
    table = Table(box=None, pad_edge=False)
    for header in ("repository", "ref", "commit", "state", "files", "chunks", "skipped", "indexed", "source"):
        table.add_column(header, justify="right" if header in {"files", "chunks", "skipped"} else "left")
    for repository in repositories:
        for number, ref in enumerate(repository.refs):
            table.add_row(
                escape(repository.name) if number == 0 else "",
                escape(ref.ref if len(ref.ref) < 40 else ref.ref[:12]),
                ref.commit[:12],
                escape(_state(ref)),
                f"{ref.files:,}",
                f"{ref.chunks:,}",
                f"{ref.skipped:,}",
                _age(ref.indexed_at),
                escape(repository.source) if number == 0 else "",
            )
    _console().print(table)


def skips(
    context: typer.Context,
    *,
    repository: Annotated[
        str | None, typer.Argument(metavar="[REPO]", help="Name of a repository [default: all].", show_default=False)
    ] = None,
    ref: Annotated[
        str, typer.Option("--ref", metavar="REF", help="Indexed ref [default: the default one].", show_default=False)
    ] = "",
    reason: Annotated[
        SkipReason | None, typer.Option("--reason", help="Only files left out for this reason.", show_default=False)
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the files that were left out of the index, and why.

    `hearth skips shop --reason too-large`

    To leave out more, commit a `.hearthignore` with patterns as in `.gitignore`.
    """
    chosen = settings(context, data, config)
    found: list[Skip] = []
    from indexer.api import Index  # noqa: PLC0415  # start-up time of every other command

    with Index.open(chosen.data, chosen.index) as opened:
        names = [repository] if repository else [status.name for status in opened.repositories() if _shown(status.refs)]
        for name in names:
            found += [skip for skip in opened.skips(name, ref) if reason in {None, skip.reason}]
    if as_json:
        _print_json([asdict(skip) for skip in found])
        return
    console = _console()
    table = Table(box=None, pad_edge=False)
    for header in ("reason", "repository", "path", "why"):
        table.add_column(header, overflow="fold")
    for skip in sorted(found, key=lambda item: (item.reason, item.repository, item.path)):
        table.add_row(skip.reason, escape(skip.repository), escape(skip.path), escape(skip.detail))
    if found:
        console.print(table)
    counts = Counter(skip.reason for skip in found)
    summary = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
    console.print(f"{len(found):,} files left out{f': {summary}' if summary else ''}")


def _run(job: IndexJob, chosen: IndexSettings, *, wait: bool) -> list[IndexReport]:
    from indexer import worker  # noqa: PLC0415  # start-up time of every other command
    from indexer.cli_progress import ProgressDisplay  # noqa: PLC0415  # as above

    reports: list[IndexReport] = []
    events = worker.spawn(job, chosen.data, chosen.index, wait_seconds=_WAIT_SECONDS if wait else 0.0)
    with ProgressDisplay(Path(job.source).name or job.source) as display, closing(events):
        for event in events:
            if isinstance(event, Progress):
                display.show(event)
            else:
                reports.append(event)
                display.finish(event)
    return reports


def _discard(chosen: IndexSettings, jobs: list[IndexJob]) -> list[IndexJob]:
    """Delete the index and return the jobs that build it again: those asked for, and all others that it knew."""
    from indexer import worker  # noqa: PLC0415  # start-up time of every other command

    try:
        known = _repositories(chosen)
    except IndexerError as error:
        sys.stderr.write(f"hearth: {error.message}\n  Other repositories than those named now must be indexed again.\n")
        known = []
    worker.discard_index(chosen.data)
    stored = {alias: one for one in known for alias in (one.name, one.source)}
    complete: dict[str, IndexJob] = {}
    for job in jobs:
        one = stored.get(job.source) or stored.get(os.path.realpath(job.source))
        if one is None:
            complete[job.source] = job
        else:
            complete[one.source] = IndexJob(one.source, job.name or one.name, job.refs or _refs(one))
    for one in known:
        complete.setdefault(one.source, IndexJob(one.source, one.name, _refs(one)))
    return list(complete.values())


def _repositories(chosen: IndexSettings) -> list[RepositoryStatus]:
    from indexer.api import Index  # noqa: PLC0415  # start-up time of every other command

    with Index.open(chosen.data, chosen.index) as opened:
        return opened.repositories()


def _refs(repository: RepositoryStatus) -> tuple[str, ...]:
    return tuple(ref.ref for ref in repository.refs)


def _complain(error: IndexerError, source: str) -> None:
    where = f"{source}: " if source and source not in error.message else ""
    sys.stderr.write(f"hearth: {where}{error.message}\n")
    if error.advice:
        sys.stderr.write(f"  {error.advice}\n")


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _console() -> Console:
    """Return standard output; into a pipe, rows are not cut to a terminal's width."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_COLUMNS)


def _shown(refs: Iterable[RefStatus]) -> bool:
    return any(ref.indexed_at for ref in refs)


def _state(ref: RefStatus) -> str:
    if ref.state is IndexState.FAILED:
        return f"failed: {ref.error}"
    if ref.state is IndexState.READY and ref.behind > 0:
        return f"{ref.behind} commit{'s' if ref.behind > 1 else ''} behind"
    return ref.state


def _age(at: float) -> str:
    if not at:
        return "never"
    seconds = max(time.time() - at, 0.0)
    for length, unit in _AGES:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"
