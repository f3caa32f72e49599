"""Takes what the hooks wrote down to where it is wanted: the queue on this machine, or a server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from indexer.diff import GitSource
from indexer.errors import HookError, IndexerError
from indexer.hook.install import record_problem
from indexer.hook.payload import encode_notice
from indexer.hook.settings import HookSettings, read_settings
from indexer.queue import Queue
from indexer.queue.spool import merge, open_for_news, read

PUSH_PATH = "/api/v1/hooks/push"
_SECONDS = 10.0
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def deliver(repository: Path) -> int:
    """Deliver what waits in a repository's spool; returns how many refs that were.

    What cannot be delivered stays, and goes with the next push or when the server starts.

    Raises:
        HookError: No hook is installed, or the server cannot be reached or refuses.
        IndexerError: The queue cannot be written.
    """
    git_dir = GitSource.open(repository).common_dir
    settings = read_settings(git_dir)
    if settings is None:
        raise HookError(f"{repository} has no hooks of Hearth", advice=f"Run: hearth hooks install {repository}")
    open_for_news(git_dir)
    spooled = read(git_dir)
    names = spooled.names()
    try:
        if names:
            _send(settings, names)
    except IndexerError as error:
        record_problem(git_dir, str(error))
        merge(git_dir, spooled)
        raise
    spooled.taken()
    record_problem(git_dir, "")
    return len(names)


def check_server(url: str) -> None:
    """Refuse an address to which a token must not be sent.

    Raises:
        HookError: It is no address, or its connection is not encrypted and leaves this machine.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise HookError(f"{url!r} is no address of a server", advice="Use one such as https://hearth.example.com.")
    if parts.scheme == "http" and parts.hostname not in _LOCAL_HOSTS:
        raise HookError(f"{url} would send the token unencrypted", advice="Use https://.")


def _send(settings: HookSettings, names: tuple[str, ...]) -> None:
    if settings.data:
        with Queue(Path(settings.data)) as queue:
            queue.enqueue(settings.repository, names, reason="push")
        return
    check_server(settings.server)
    try:
        token = Path(settings.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise HookError(f"the token file {settings.token_file} cannot be read") from error
    request = urllib.request.Request(  # noqa: S310 -- check_server() leaves HTTP and HTTPS only
        settings.server.rstrip("/") + PUSH_PATH,
        data=encode_notice(settings.repository, names),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=_SECONDS) as response:
            response.read(1)
    except urllib.error.HTTPError as error:
        with error:
            raise HookError(f"{settings.server} refused the news: {_reason(error)}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise HookError(f"{settings.server} cannot be reached: {error}") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could take the token elsewhere."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return f"{error.code}, {json.loads(error.read(10_000))['error']['message']}"
    except (OSError, ValueError, KeyError, TypeError):
        return str(error.code)
