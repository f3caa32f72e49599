"""The commands ``hearth user``, ``group``, ``token`` and ``audit`` as the user sees them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexer.cli_options import ConfigOption, DataOption, JsonOption

if TYPE_CHECKING:
    from server.config import HearthConfig

user_app = typer.Typer(no_args_is_help=True, help="Who may use the team server.")
group_app = typer.Typer(no_args_is_help=True, help="Which repositories the users of the team server may read.")
audit_app = typer.Typer(no_args_is_help=True, help="What the users of the team server did.")
token_app = typer.Typer(no_args_is_help=True, help="What users of the team server sign in with.")

GroupOption = Annotated[list[str] | None, typer.Option("--group", metavar="GROUP", help="A group they are in.")]
UserOption = Annotated[list[str] | None, typer.Option("--user", metavar="NAME", help="A user.")]
RepositoryOption = Annotated[
    list[str] | None,
    typer.Option("--repository", metavar="NAME", help="The name of a repository in the index, or a pattern with `*`."),
]


class Scope(StrEnum):
    """Choices of ``--scope``; those of :class:`server.accounts.TokenScope`, without importing it at every start."""

    COMPLETE = "complete"
    EXPLAIN = "explain"
    SEARCH = "search"
    HOOKS = "hooks"
    METRICS = "metrics"
    ADMIN = "admin"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, commands in (("user", user_app), ("group", group_app), ("token", token_app), ("audit", audit_app)):
        app.add_typer(commands, name=name, rich_help_panel="Team server")


@user_app.command("add")
def user_add(
    name: Annotated[str, typer.Argument()],
    group: GroupOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Add a user, who can then be given tokens.

    `hearth user add ana --group backend`
    """
    from server.cli.accounts import add_user  # noqa: PLC0415  # start-up time

    add_user(_load(data, config), name, group or ())


@user_app.command("list")
def user_list(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List all users with their groups."""
    from server.cli.accounts import list_users  # noqa: PLC0415  # start-up time

    list_users(_load(data, config), as_json=as_json)


@user_app.command("remove")
def user_remove(name: Annotated[str, typer.Argument()], data: DataOption = None, config: ConfigOption = None) -> None:
    """Remove a user and revoke all of their tokens; a running server closes their connections."""
    from server.cli.accounts import remove_user  # noqa: PLC0415  # start-up time

    remove_user(_load(data, config), name)


@group_app.command("add")
def group_add(
    group: Annotated[str, typer.Argument()],
    user: UserOption = None,
    repository: RepositoryOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Put users into a group, and let the group read repositories.

    `hearth group add backend --user ana --repository billing --repository 'shop-*'`
    """
    from server.cli.accounts import change_group  # noqa: PLC0415  # start-up time

    if not user and not repository:
        raise typer.BadParameter("give --user, --repository or both")
    change_group(_load(data, config), group, users=user or (), repositories=repository or (), remove=False)


@group_app.command("remove")
def group_remove(
    group: Annotated[str, typer.Argument()],
    user: UserOption = None,
    repository: RepositoryOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take users out of a group, or repositories from it; with neither, remove the group."""
    from server.cli.accounts import change_group  # noqa: PLC0415  # start-up time

    change_group(_load(data, config), group, users=user or (), repositories=repository or (), remove=True)


@group_app.command("list")
def group_list(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List all groups with their users and what they may read."""
    from server.cli.accounts import list_groups  # noqa: PLC0415  # start-up time

    list_groups(_load(data, config), as_json=as_json)


@token_app.command("create")
def token_create(
    *,
    user: Annotated[str, typer.Argument()],
    scope: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="What it may be used for; by default what an editor needs."),
    ] = None,
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
    days: Annotated[float, typer.Option("--days", min=0.0, help="How long it lasts; 0 until it is revoked.")] = 90.0,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, this once: only a digest of it is kept.

    `hearth token create ana --label "ana's laptop"`

    `hearth token create prometheus --scope metrics --days 0`
    """
    from server.accounts import TokenScope  # noqa: PLC0415  # start-up time
    from server.accounts.tokens import EDITOR_SCOPES  # noqa: PLC0415  # as above
    from server.cli.accounts import create_token  # noqa: PLC0415  # as above

    scopes = [TokenScope(item.value) for item in scope] if scope else EDITOR_SCOPES
    create_token(_load(data, config), user, scopes, label=label, days=days, as_json=as_json)


@token_app.command("list")
def token_list(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List every token that was given out: whose it is, what for, and whether it can be used."""
    from server.cli.accounts import list_tokens  # noqa: PLC0415  # start-up time

    list_tokens(_load(data, config), as_json=as_json)


@token_app.command("revoke")
def token_revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID")], data: DataOption = None, config: ConfigOption = None
) -> None:
    """Make a token useless at once; a running server closes the connections that were made with it."""
    from server.cli.accounts import revoke_token  # noqa: PLC0415  # start-up time

    revoke_token(_load(data, config), token_id)


@audit_app.command("export")
def audit_export(
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Only what this user did.")] = "",
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only from this time on, in UTC."),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the audit log, one JSON object a line, oldest first.

    Each line says when (`at`, in UTC), what (`event`), and who (`user`); completions and explanations also which
    repositories went into the prompt, the model and its tokens. There is never text of a file.

    `hearth audit export --since 2026-01-01 --user ana > audit.jsonl`
    """
    from server.cli.accounts import export_audit  # noqa: PLC0415  # start-up time

    export_audit(_load(data, config), user=user, since=since)


def _load(data: Path | None, config: Path | None) -> HearthConfig:
    from server.config import load  # noqa: PLC0415  # start-up time

    return load(config, data=data).config
