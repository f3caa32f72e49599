"""What an editor shows of work that takes a while."""

from __future__ import annotations

import asyncio
import logging

from lsprotocol import types

from server.lsp.session import HearthLanguageServer

log = logging.getLogger(__name__)

_CREATE_SECONDS = 2.0


class WorkDone:
    """The editor's progress bar of one piece of work; nothing happens where it has none.

    Args:
        server: The session.
        token: Tells it from the others of the session.
        title: What is being done.
    """

    def __init__(self, server: HearthLanguageServer, token: str, title: str) -> None:
        self._server = server
        self._token = token
        self._title = title
        self._open = False
        window = server.client_capabilities.window
        self.supported = window is not None and bool(window.work_done_progress)

    @property
    def is_open(self) -> bool:
        """Whether it can be seen."""
        return self._open

    async def begin(self, percentage: int | None = None) -> None:
        """Open it."""
        if not self.supported:
            return
        try:
            async with asyncio.timeout(_CREATE_SECONDS):
                await self._server.window_work_done_progress_create_async(
                    types.WorkDoneProgressCreateParams(self._token)
                )
        except Exception as error:  # noqa: BLE001  # Whatever the client answers, the work goes on without a bar.
            log.info("the client shows no progress: %s", error)
            self.supported = False
            return
        self._open = True
        begin = types.WorkDoneProgressBegin(title=self._title, cancellable=False, percentage=percentage)
        self._server.send_progress(self._token, begin)

    def report(self, message: str, percentage: int | None) -> None:
        """Say how far it is."""
        if self._open:
            self._server.send_progress(
                self._token, types.WorkDoneProgressReport(message=message, percentage=percentage)
            )

    def end(self) -> None:
        """Close it."""
        if self._open:
            self._open = False
            self._server.send_progress(self._token, types.WorkDoneProgressEnd())
