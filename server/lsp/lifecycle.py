"""``initialize`` and ``shutdown``: options, folders, services, and what is offered to which client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidRequest

from indexer.errors import IndexerError
from server.lsp import protocol
from server.lsp.clients import editor_name
from server.lsp.completion_items import CompletionItems
from server.lsp.positions import PositionEncoding
from server.lsp.services import StartOptions
from server.lsp.session import HearthLanguageServer

log = logging.getLogger(__name__)


class Lifecycle:
    """Starts what is behind the protocol, and ends it.

    Args:
        server: The session.
        completion_items: Offered to clients without inline completion.
        started: Called once the parts are there and the client is ready.
        folders_changed: Called when folders came or went.
    """

    def __init__(
        self,
        server: HearthLanguageServer,
        completion_items: CompletionItems,
        started: Callable[[], None],
        folders_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = server
        self._completion_items = completion_items
        self._started = started
        self._folders_changed = folders_changed
        self._problem = ""
        self._begun = False
        self._ready = False
        self._assembled = asyncio.Event()
        server.handle(types.INITIALIZE, self.initialize)
        server.handle(types.INITIALIZED, self.initialized)
        server.handle(types.SHUTDOWN, self.shutdown)
        server.handle(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, self.folders_changed)
        server.handle(protocol.DID_CHANGE_REPOSITORIES, self._server.places.claim)

    async def initialize(self, params: types.InitializeParams) -> None:
        """Settle the position encoding, find the folders and build the services.

        Raises:
            JsonRpcInvalidRequest: That was done before.
        """
        if self._begun:
            raise JsonRpcInvalidRequest("`initialize` was sent before")
        self._begun = True
        server = self._server
        general = params.capabilities.general
        offered = [str(getattr(name, "value", name)) for name in (general and general.position_encodings) or ()]
        server.documents.encoding = PositionEncoding.negotiate(offered)
        server.editor = editor_name(params.client_info)
        given = _given(params.initialization_options)
        server.places.begin(_folders(params), given)
        if not _has_inline_completion(params.capabilities):
            self._completion_items.offer()
        options = _options(given)
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
        if self._ready:
            return
        self._ready = True
        if self._problem:
            self._server.show(self._problem)
        if self._server.services is not None:
            self._started()

    async def shutdown(self, _: Any) -> None:
        """End all work."""
        await self._server.stop()

    def folders_changed(self, params: types.DidChangeWorkspaceFoldersParams) -> None:
        """Take folders in and out."""
        event = params.event
        self._server.places.change([folder.uri for folder in event.added], [folder.uri for folder in event.removed])
        self._folders_changed()


def _folders(params: types.InitializeParams) -> list[str]:
    uris = [folder.uri for folder in params.workspace_folders or ()]
    if not uris and params.root_uri:
        uris = [params.root_uri]
    if not uris and params.root_path:
        uris = [Path(params.root_path).absolute().as_uri()]
    return uris


def _has_inline_completion(capabilities: types.ClientCapabilities) -> bool:
    documents = capabilities.text_document
    return documents is not None and documents.inline_completion is not None


def _given(raw: Any) -> dict[str, Any]:
    """Return what stands in ``{"hearth": {...}}``."""
    given = raw.get("hearth") if isinstance(raw, dict) else None
    return given if isinstance(given, dict) else {}


def _options(given: dict[str, Any]) -> StartOptions:
    """Read the options; what has the wrong type is ignored, and logged."""
    data, config, auto_index = given.get("data"), given.get("config"), given.get("autoIndex")
    if not (isinstance(data, str | None) and isinstance(config, str | None) and isinstance(auto_index, bool | None)):
        log.warning("initializationOptions.hearth is not as the protocol says and was ignored")
        return StartOptions()
    return StartOptions(
        data=Path(data).expanduser() if data else None,
        config=Path(config).expanduser() if config else None,
        auto_index=auto_index,
    )
