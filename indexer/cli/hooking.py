"""``hearth hooks``."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path

from indexer.cli.listing import print_json
from indexer.cli.registering import indexed_name
from indexer.cli_options import IndexSettings
from indexer.diff import GitSource
from indexer.errors import HookError
from indexer.hook.install import HookStatus, hook_status, install, uninstall
from indexer.hook.messenger import check_server
from indexer.hook.settings import HookSettings
from indexer.queue import Origin, Queue, Repository
from indexer.queue.registration import make_repository

# -P: the directory that a hook runs in may hold a package with a name like ours.
_COMMAND = (sys.executable, "-P", "-m", "indexer.hook")


def install_hooks(
    chosen: IndexSettings, repository: Path, *, name: str, server: str, token_file: Path | None, as_json: bool
) -> None:
    """Install hooks. For a data directory on this machine the repository is registered there, too."""
    source = GitSource.open(repository)
    wanted = make_repository(
        str(source.root),
        chosen.repositories,
        origin=Origin.COMMAND,
        name=name or ("" if server else _known_name(chosen, source)),
    )
    if token_file is not None:
        check_server(server)
        token = token_file.expanduser().absolute()
        if not os.access(token, os.R_OK):
            raise HookError(f"the token file {token} cannot be read", advice="The hook reads it at every push.")
        hook = HookSettings(wanted.name, server=server.rstrip("/"), token_file=str(token))
    else:
        _register(chosen, wanted)
        hook = HookSettings(wanted.name, data=str(chosen.data.absolute()))
    _show(install(repository, hook, _COMMAND), as_json=as_json)


def uninstall_hooks(repository: Path, *, as_json: bool) -> None:
    """Take the hooks out."""
    _show(uninstall(repository), as_json=as_json)


def show_status(repository: Path, *, as_json: bool) -> None:
    """Print which hooks there are."""
    _show(hook_status(repository), as_json=as_json)


def _known_name(chosen: IndexSettings, source: GitSource) -> str:
    with Queue(chosen.data) as queue:
        registered = (known.name for known in queue.repositories() if known.source == str(source.root))
        return next(registered, "") or indexed_name(chosen, str(source.root))


def _register(chosen: IndexSettings, wanted: Repository) -> None:
    with Queue(chosen.data) as queue:
        # What was chosen when it was registered, branches above all, stays.
        if queue.repository(wanted.name) is None:
            queue.register(wanted)


def _show(status: HookStatus, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(status), "root": str(status.root)})
        return
    target = ""
    if status.settings is not None:
        target = f", telling {status.settings.server or status.settings.data} about {status.settings.repository}"
    sys.stdout.write(f"{status.root}: {', '.join(status.hooks) or 'no hooks of Hearth'}{target}\n")
    if status.hooks and status.missing:
        sys.stdout.write(f"  missing: {', '.join(status.missing)}; run `hearth hooks install` again\n")
    if status.waiting:
        sys.stdout.write(f"  {status.waiting} refs wait to be delivered\n")
    if status.problem:
        sys.stdout.write(f"  last time: {status.problem}\n")
