"""``initialize`` and ``shutdown``: options, folders, services, and what is offered to which client."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from lsprotocol import types

from indexer.errors import IndexerError
from server.lsp.completion_items import CompletionItems
from server.lsp.documents import file_path
from server.lsp.indexing import Indexing
from server.lsp.positions import PositionEncoding
from server.lsp.services import StartOptions
from server.lsp.session import HearthLanguageServer
from server.lsp.status import Status

log = logging.getLogger(__name__)


class Lifecycle:
    """Starts what is behind the protocol, and ends it."""

    def __init__(
        self, server: HearthLanguageServer, status: Status, indexing: Indexing, completion_items: CompletionItems
    ) -> None:
        self._server = server
        self._status = status
        self._indexing = indexing
        self._completion_items = completion_items
        self._problem = ""
        self._assembled = asyncio.Event()
        server.handle(types.INITIALIZE, self.initialize)
        server.handle(types.INITIALIZED, self.initialized)
        server.handle(types.SHUTDOWN, self.shutdown)
        server.handle(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, self.folders_changed)

    async def initialize(self, params: types.InitializeParams) -> None:
        """Settle the position encoding, find the folders and build the services."""
        server = self._server
        general = params.capabilities.general
        offered = [str(getattr(name, "value", name)) for name in (general and general.position_encodings) or ()]
        server.documents.encoding = PositionEncoding.negotiate(offered)
        server.places.folders = dict(_folders(params))
        if not _has_inline_completion(params.capabilities):
            self._completion_items.offer()
        options = _options(params.initialization_options)
        try:
            server.services = await server.in_thread(server.assemble, options)
            self._problem = server.services.problem
        except IndexerError as error:
            # The session goes on without completions: an editor that restarts a failing server would only hide why.
            self._problem = str(error)
            log.error("the server started without its parts: %s", error)
        finally:
            self._assembled.set()

    async def initialized(self, _: Any) -> None:
        """Start what goes on in the background, once the parts are there: some clients do not wait for the answer."""
        await self._assembled.wait()
        if self._problem:
            self._server.show(self._problem)
        if self._server.services is not None:
            self._status.start()
            self._indexing.start()
            self._server.run_task(self._warm_up(), "warm-up")

    async def _warm_up(self) -> None:
        services = self._server.services
        if services is not None and services.warm_up is not None:
            await self._server.in_thread(services.warm_up, list(self._server.places.folders.values()))

    async def shutdown(self, _: Any) -> None:
        """End all work."""
        await self._server.stop()

    def folders_changed(self, params: types.DidChangeWorkspaceFoldersParams) -> None:
        """Take folders in and out."""
        folders = self._server.places.folders
        for folder in params.event.removed:
            folders.pop(folder.uri, None)
        for folder in params.event.added:
            path = file_path(folder.uri)
            if path is not None:
                folders[folder.uri] = path
        self._indexing.folders_changed()


def _folders(params: types.InitializeParams) -> list[tuple[str, Path]]:
    uris = [folder.uri for folder in params.workspace_folders or ()]
    if not uris and params.root_uri:
        uris = [params.root_uri]
    if not uris and params.root_path:
        uris = [Path(params.root_path).absolute().as_uri()]
    return [(uri, path) for uri in uris if (path := file_path(uri)) is not None]


def _has_inline_completion(capabilities: types.ClientCapabilities) -> bool:
    documents = capabilities.text_document
    return documents is not None and documents.inline_completion is not None


def _options(raw: Any) -> StartOptions:
    """Read ``{"hearth": {...}}``; what has the wrong type is ignored, and logged."""
    given = raw.get("hearth") if isinstance(raw, dict) else None
    if not isinstance(given, dict):
        return StartOptions()
    data, config, auto_index = given.get("data"), given.get("config"), given.get("autoIndex")
    if not (isinstance(data, str | None) and isinstance(config, str | None) and isinstance(auto_index, bool | None)):
        log.warning("initializationOptions.hearth is not as the protocol says and was ignored")
        return StartOptions()
    return StartOptions(
        data=Path(data).expanduser() if data else None,
        config=Path(config).expanduser() if config else None,
        auto_index=auto_index,
    )
