"""``hearth repo``, ``hearth hooks``, ``hearth jobs`` and ``hearth work`` as the user sees them.

What they do is imported when they run, so that other commands start quickly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from indexer.cli_options import ConfigOption, DataOption, JsonOption, settings

_PANEL = "Repositories"

repo_app = typer.Typer(no_args_is_help=True, help="Register repositories that Hearth keeps up to date by itself.")
hooks_app = typer.Typer(no_args_is_help=True, help="Let repositories tell Hearth about every push or commit.")
jobs_app = typer.Typer(no_args_is_help=True, help="Look at what waits to be indexed, and at what failed.")

RepositoryArgument = Annotated[Path, typer.Argument(metavar="REPO", help="Directory of a git repository.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of a repository.")]
JobArgument = Annotated[int, typer.Argument(metavar="ID", help="Number of the job, from `hearth jobs list`.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``hearth``."""
    app.add_typer(repo_app, name="repo", rich_help_panel=_PANEL)
    app.add_typer(hooks_app, name="hooks", rich_help_panel=_PANEL)
    app.add_typer(jobs_app, name="jobs", rich_help_panel=_PANEL)
    app.command(rich_help_panel=_PANEL)(work)


@repo_app.command("add")
def repo_add(
    context: typer.Context,
    *,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="URL (https or ssh), or directory of a git repository.")
    ],
    name: Annotated[
        str, typer.Option("--name", help="What to call it [default: the end of its URL or path].", show_default=False)
    ] = "",
    branch: Annotated[
        list[str] | None,
        typer.Option(
            "--branch",
            metavar="PATTERN",
            help="Branches to follow, such as 'release/*', or tags as 'refs/tags/v*'; may be given several times "
            "[default: the branch of HEAD].",
            show_default=False,
        ),
    ] = None,
    credential_env: Annotated[
        str,
        typer.Option(
            "--credential-env",
            metavar="VARIABLE",
            help="Environment variable with the remote's TOKEN or USER:TOKEN, where Hearth runs.",
            show_default=False,
        ),
    ] = "",
    credential_file: Annotated[
        Path | None,
        typer.Option(
            "--credential-file",
            metavar="FILE",
            help="File with the remote's TOKEN or USER:TOKEN; for SSH, the private key.",
            show_default=False,
        ),
    ] = None,
    ssh: Annotated[
        bool, typer.Option("--ssh", help="Use the SSH agent where Hearth runs.", show_default=False)
    ] = False,
    poll: Annotated[
        float,
        typer.Option("--poll", metavar="MINUTES", min=0, help="Ask the source for news so often.", show_default=False),
    ] = 0.0,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a repository, or change how it is followed.

    `hearth repo add https://git.example.com/shop.git --credential-env SHOP_TOKEN --branch main --branch 'release/*'`

    `hearth repo add git@git.example.com:billing.git --ssh --poll 5`

    It is indexed by `hearth work`, or by the server. A secret is never stored, only the place where it is.
    """
    from indexer.cli.registering import add  # noqa: PLC0415  # start-up time

    if sum((bool(credential_env), credential_file is not None, ssh)) > 1:
        raise typer.BadParameter("give one of --credential-env, --credential-file and --ssh")
    credential = f"env:{credential_env}" if credential_env else ""
    if credential_file is not None:
        credential = f"file:{credential_file.expanduser().absolute()}"
    chosen = settings(context, data, config)
    add(chosen, source, name=name, branches=branch or (), credential=credential, poll_minutes=poll, as_json=as_json)


@repo_app.command("remove")
def repo_remove(
    context: typer.Context,
    *,
    name: NameArgument,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a repository and take it out of the index, whether it was registered or indexed by `hearth index`.

    `hearth repo remove shop`

    Its own hooks and files stay as they are.
    """
    from indexer.cli.registering import remove  # noqa: PLC0415  # start-up time

    remove(settings(context, data, config), name, as_json=as_json)


@repo_app.command("pause")
def repo_pause(
    context: typer.Context, *, name: NameArgument, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Stop indexing a registered repository; what is indexed stays, and what comes meanwhile waits."""
    from indexer.cli.registering import pause  # noqa: PLC0415  # start-up time

    pause(settings(context, data, config), name, paused=True)


@repo_app.command("resume")
def repo_resume(
    context: typer.Context, *, name: NameArgument, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Go on indexing a repository that was paused."""
    from indexer.cli.registering import pause  # noqa: PLC0415  # start-up time

    pause(settings(context, data, config), name, paused=False)


@repo_app.command("list")
def repo_list(
    context: typer.Context, data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show the registered repositories: what is indexed of them, how far behind it is, and what failed last.

    With `--json` it prints one list.
    """
    from indexer.cli.registering import show  # noqa: PLC0415  # start-up time

    show(settings(context, data, config), as_json=as_json)


@hooks_app.command("install")
def hooks_install(
    context: typer.Context,
    *,
    repository: RepositoryArgument,
    name: Annotated[
        str, typer.Option("--name", help="Its name where the news goes [default: from the path].", show_default=False)
    ] = "",
    server: Annotated[
        str,
        typer.Option(
            "--server", metavar="URL", help="Tell this server, not the data directory here.", show_default=False
        ),
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="With --server: file with a token of the scope `hooks`.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add Hearth's lines to the hooks of a repository, so that every push or commit is indexed at once.

    `hearth hooks install /srv/git/shop.git`

    `hearth hooks install . --server https://hearth.example.com --token-file ~/.hearth-token`

    A bare repository gets `post-receive`; a clone gets `post-commit`, `post-merge`, `post-checkout` and `post-rewrite`.
    Hooks that are there keep working and keep their exit status. A push never waits for Hearth and never fails because
    of it.
    """
    from indexer.cli.hooking import install_hooks  # noqa: PLC0415  # start-up time

    if bool(server) != (token_file is not None):
        raise typer.BadParameter("--server and --token-file belong together")
    chosen = settings(context, data, config)
    install_hooks(chosen, repository, name=name, server=server, token_file=token_file, as_json=as_json)


@hooks_app.command("uninstall")
def hooks_uninstall(repository: RepositoryArgument, as_json: JsonOption = False) -> None:
    """Take Hearth's lines out of the hooks again."""
    from indexer.cli.hooking import uninstall_hooks  # noqa: PLC0415  # start-up time

    uninstall_hooks(repository, as_json=as_json)


@hooks_app.command("status")
def hooks_status(repository: RepositoryArgument, as_json: JsonOption = False) -> None:
    """Say which hooks a repository has, where they send their news, and what could not be delivered."""
    from indexer.cli.hooking import show_status  # noqa: PLC0415  # start-up time

    show_status(repository, as_json=as_json)


@hooks_app.command("notify")
def hooks_notify(repository: RepositoryArgument) -> None:
    """Deliver what the hooks of a repository wrote down; the hooks start this in the background."""
    from indexer.hook.messenger import deliver  # noqa: PLC0415  # start-up time

    deliver(repository)


@jobs_app.command("list")
def jobs_list(
    context: typer.Context, data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show what is being indexed, what waits, and what failed too often and was set aside."""
    from indexer.cli.working import show_jobs  # noqa: PLC0415  # start-up time

    show_jobs(settings(context, data, config), as_json=as_json)


@jobs_app.command("retry")
def jobs_retry(
    context: typer.Context, *, job: JobArgument, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Try a job again at once, also one that was set aside."""
    from indexer.cli.working import change_job  # noqa: PLC0415  # start-up time

    change_job(settings(context, data, config), job, drop=False)


@jobs_app.command("drop")
def jobs_drop(
    context: typer.Context, *, job: JobArgument, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Forget a job; the next push asks for it again."""
    from indexer.cli.working import change_job  # noqa: PLC0415  # start-up time

    change_job(settings(context, data, config), job, drop=True)


def work(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is due any more.", show_default=False)] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep registered repositories up to date: hooks, webhooks and polls are worked off here.

    The server does the same by itself; this is for a machine that runs none. Only one process at a time does it for a
    data directory, and further ones stand by.
    """
    from indexer.cli.working import work as run  # noqa: PLC0415  # start-up time

    raise typer.Exit(run(settings(context, data, config), once=once))
