"""``hearth index``, ``hearth status`` and ``hearth skips`` as the user sees them.

What they do is imported when they run, so that other commands start quickly.
"""

from __future__ import annotations

from typing import Annotated

import typer

from indexer.cli_options import ConfigOption, DataOption, JsonOption, settings
from indexer.types import IndexJob, SkipReason

_PANEL = "Index"


def register(app: typer.Typer) -> None:
    """Add the commands to ``hearth``."""
    app.command(rich_help_panel=_PANEL)(index)
    app.command(rich_help_panel=_PANEL)(status)
    app.command(rich_help_panel=_PANEL)(skips)
    app.command(rich_help_panel=_PANEL)(secrets)


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
    from indexer.cli.indexing import index_repositories  # noqa: PLC0415  # start-up time of every other command

    sources = list(repositories or ())
    if name and len(sources) != 1:
        raise typer.BadParameter("--name needs exactly one repository")
    if ref and not sources:
        raise typer.BadParameter("--ref needs a repository")
    jobs = [IndexJob(source, name, tuple(ref or ()), prune) for source in sources]
    chosen = settings(context, data, config)
    code = index_repositories(chosen, jobs, prune=prune, rebuild=rebuild, wait=wait, as_json=as_json)
    if code is None:
        raise typer.BadParameter("nothing is indexed yet: name a repository")
    raise typer.Exit(code)


def status(
    context: typer.Context, data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show what is indexed, how fresh it is and what failed.

    `hearth status`

    With `--json` it prints one list of repositories with their refs; `behind` counts the commits that the source has
    beyond the index, -1 when it cannot be asked.
    """
    from indexer.cli.listing import show_status  # noqa: PLC0415  # as above

    show_status(settings(context, data, config), as_json=as_json)


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
    from indexer.cli.listing import show_skips  # noqa: PLC0415  # as above

    show_skips(settings(context, data, config), repository, ref, reason, as_json=as_json)


def secrets(
    context: typer.Context,
    *,
    repository: Annotated[
        str | None, typer.Argument(metavar="[REPO]", help="Name of a repository [default: all].", show_default=False)
    ] = None,
    ref: Annotated[
        str, typer.Option("--ref", metavar="REF", help="Indexed ref [default: the default one].", show_default=False)
    ] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List where files have secrets, which were kept out of the index.

    `hearth secrets shop`

    A secret that was committed is known to everyone who can read the repository: change it where it is used. Write
    `hearth:allow-secret` into the line, or the one above, of what is no secret; what a path, a rule or a repository
    has of no secrets, such as those made for tests, is allowed by `[[index.allowed_secrets]]` in hearth.toml.
    """
    from indexer.cli.listing import show_secrets  # noqa: PLC0415  # as above

    show_secrets(settings(context, data, config), repository, ref, as_json=as_json)
