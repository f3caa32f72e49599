"""What Hearth changes in pygls's protocol machinery, all in one place.

* Partial result tokens: LSP's types for inline completion and commands have none, and pygls drops unknown fields.
* Documents: kept by :mod:`server.lsp.documents`; pygls's own copy costs time in proportion to the file at each key.
* Commands are ordinary coroutines, so that a cancelled one stops (pygls cancels only the outer of two futures).
* A late answer to a request of ours that was given up is dropped (pygls raises ``InvalidStateError``), and so is a late
  cancel (pygls warns).
* Messages are told apart by their fields (pygls asks runtime protocols, which is slow).
* ``shutdown`` and ``exit`` end tasks and processes first, and leave the exit status to :mod:`server.lsp.stdio`.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import attrs
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInternalError, JsonRpcInvalidParams
from pygls.protocol import LanguageServerProtocol, default_converter

log = logging.getLogger(__name__)

Token = int | str


@attrs.define
class InlineCompletionParams:
    """Parameters of ``textDocument/inlineCompletion`` with the token that asks for streaming."""

    text_document: types.TextDocumentIdentifier
    position: types.Position
    context: types.InlineCompletionContext
    partial_result_token: types.ProgressToken | None = None


@attrs.define
class InlineCompletionRequest:
    """``textDocument/inlineCompletion`` as Hearth reads it."""

    id: int | str
    method: str
    jsonrpc: str
    params: InlineCompletionParams


@attrs.define
class ExecuteCommandParams:
    """Parameters of ``workspace/executeCommand`` with the token that asks for streaming."""

    command: str
    arguments: list[Any] | None = None
    partial_result_token: types.ProgressToken | None = None


@attrs.define
class ExecuteCommandRequest:
    """``workspace/executeCommand`` as Hearth reads it."""

    id: int | str
    method: str
    jsonrpc: str
    params: ExecuteCommandParams


@attrs.define
class CustomRequest:
    """A request of Hearth's own, read as plain JSON."""

    id: int | str
    method: str
    jsonrpc: str
    params: Any = None


@attrs.define
class CustomNotification:
    """A notification of Hearth's own, read and written as plain JSON."""

    method: str
    jsonrpc: str
    params: Any = None


SEARCH = "hearth/search"
WHY = "hearth/why"
FILE = "hearth/file"
STATUS = "hearth/status"
DID_SHOW = "hearth/didShowCompletion"
DID_ACCEPT = "hearth/didAcceptCompletion"
DID_PARTIALLY_ACCEPT = "hearth/didPartiallyAcceptCompletion"
DID_REJECT = "hearth/didRejectCompletion"
DID_CHANGE_REPOSITORIES = "hearth/didChangeRepositories"

_REQUESTS: dict[str, type[Any]] = {
    types.TEXT_DOCUMENT_INLINE_COMPLETION: InlineCompletionRequest,
    types.WORKSPACE_EXECUTE_COMMAND: ExecuteCommandRequest,
    SEARCH: CustomRequest,
    WHY: CustomRequest,
    FILE: CustomRequest,
    STATUS: CustomRequest,
}
_NOTIFICATIONS = frozenset({DID_SHOW, DID_ACCEPT, DID_PARTIALLY_ACCEPT, DID_REJECT, DID_CHANGE_REPOSITORIES})


@dataclass(frozen=True, slots=True)
class Unless:
    """A result that is replaced by another if it is outdated at the very moment it is sent."""

    value: Any
    otherwise: Any
    outdated: Callable[[], bool]


Command = Callable[[list[Any], Token | None], Awaitable[Any]]
"""``(arguments, partial result token) -> result``."""


class Outlet(Protocol):
    """Carries messages to a client."""

    def write(self, data: bytes) -> None:
        """Send one message as JSON. Never waits, and does nothing once the client is gone."""

    def waiting_bytes(self) -> int:
        """Return how much the client has not read yet."""


class HearthProtocol(LanguageServerProtocol):
    """pygls's protocol with the changes that the module's text lists."""

    def __init__(self, server: Any, converter: Any) -> None:
        self.exit_requested = asyncio.Event()
        self._outlet: Outlet | None = None
        super().__init__(server, converter)
        self._replace_builtin_handlers()

    @property
    def shutdown_requested(self) -> bool:
        """Whether the client asked for ``shutdown`` before now."""
        return self._shutdown

    @property
    def running(self) -> list[asyncio.Future[Any]]:
        """The requests of the client that are not answered yet."""
        # Requests of the server's own stand there, too, as futures of another kind.
        futures: list[Any] = list(self._request_futures.values())
        return [future for future in futures if isinstance(future, asyncio.Future) and not future.done()]

    def read_message(self, data: Any) -> None:
        """Handle one decoded JSON-RPC message; a request that cannot be understood is answered so."""
        if not _is_json_rpc(data):
            log.warning("a message that is not JSON-RPC was ignored")
            return
        try:
            message = self.structure_message(data)
        except JsonRpcException as error:
            log.warning("a message of the method %.60r could not be understood", data.get("method"))
            if "method" in data and "id" in data:
                self._send_response(data["id"], error=error.to_response_error())
            return
        self.handle_message(message)

    def handle_message(self, message: Any) -> None:
        """Hand a message to what handles it, told by its fields alone.

        pygls asks its runtime protocols, which takes a tenth of all time of a key.
        """
        method = getattr(message, "method", None)
        if method is None or self._shutdown or message.jsonrpc != self.VERSION:
            super().handle_message(message)
            return
        context = contextvars.copy_context()
        if hasattr(message, "id"):
            context.run(self._handle_request, message.id, method, message.params)
        else:
            context.run(self._handle_notification, method, message.params)

    def structure_message(self, data: Any) -> Any:
        """Turn JSON into the types of this module or of lsprotocol."""
        method = data.get("method")
        own = _REQUESTS.get(method) if "id" in data else CustomNotification if method in _NOTIFICATIONS else None
        if own is None:
            return super().structure_message(data)
        try:
            return self._converter.structure(data, own)
        except Exception as error:
            raise JsonRpcInvalidParams(f"the parameters of {method} are not as the protocol has them") from error

    def add_command(self, name: str, command: Command) -> None:
        """Offer a command; it is called with the list of arguments and the partial result token."""
        self.fm.commands[name] = command

    def send_through(self, outlet: Outlet) -> None:
        """Send every message through ``outlet`` from now on."""
        self._outlet = outlet
        # pygls would also close it, at an ``exit`` of its own, which is replaced here.
        self.set_writer(outlet, include_headers=False)  # type: ignore[arg-type]  # for that reason

    def write_buffer_bytes(self) -> int:
        """Bytes that wait because the client does not read."""
        return self._outlet.waiting_bytes() if self._outlet is not None else 0

    def _replace_builtin_handlers(self) -> None:
        for method in (types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CHANGE, types.TEXT_DOCUMENT_DID_CLOSE):
            self.fm.add_builtin_feature(method, functools.partial(self._pass_on, method))
        self.fm.add_builtin_feature(types.WORKSPACE_EXECUTE_COMMAND, self._execute_command)
        self.fm.add_builtin_feature(types.SHUTDOWN, self._shut_down)
        self.fm.add_builtin_feature(types.EXIT, self._exit)

    def _pass_on(self, method: str, params: Any) -> None:
        handler = self.fm.features.get(method)
        if handler is not None:
            handler(params)

    async def _execute_command(self, params: ExecuteCommandParams) -> Any:
        command: Command | None = self.fm.commands.get(params.command)
        if command is None:
            raise JsonRpcInvalidParams(f"there is no command {params.command!r}")
        return await command(params.arguments or [], params.partial_result_token)

    async def _shut_down(self, _: Any) -> None:
        """End all work before answering."""
        # At once: a client that does not wait for the answer may say `exit` meanwhile.
        self._shutdown = True
        this: Any = asyncio.current_task()
        for future in list(self._request_futures.values()):
            if future is not this and not future.done():
                future.cancel()
        handler = self.fm.features.get(types.SHUTDOWN)
        if handler is not None:
            await handler(None)

    def _exit(self, _: Any) -> None:
        self.exit_requested.set()

    def _send_handler_result(self, future: Any, *, msg_id: Any) -> None:
        """Answer a request; what failed in an unforeseen way is told in words, and what it was is logged."""
        failure = None if future.cancelled() else future.exception()
        if failure is None or isinstance(failure, JsonRpcException):
            super()._send_handler_result(future, msg_id=msg_id)
            return
        self._request_futures.pop(msg_id, None)
        session: Any = self._server
        self._send_response(msg_id, error=JsonRpcInternalError(session.told(failure)).to_response_error())

    def _send_response(self, msg_id: Any, result: Any = None, error: Any = None) -> None:
        if isinstance(result, Unless):
            result = result.otherwise if result.outdated() else result.value
        super()._send_response(msg_id, result, error)

    def _handle_cancel_notification(self, msg_id: Any) -> None:
        # Anything may stand there, and a cancel that crosses its answer is nothing to warn of.
        if isinstance(msg_id, int | str) and msg_id in self._request_futures:
            super()._handle_cancel_notification(msg_id)

    def _handle_response(self, msg_id: Any, result: Any = None, error: Any = None) -> None:
        future = self._request_futures.get(msg_id)
        if future is not None and future.done():
            self._request_futures.pop(msg_id, None)
            return
        super()._handle_response(msg_id, result, error)


def _is_json_rpc(data: Any) -> bool:
    """Whether a message has the members that tell what it is, in their types."""
    return (
        isinstance(data, dict)
        and "jsonrpc" in data
        and isinstance(data.get("id", 0), int | str)
        and isinstance(data.get("method", ""), str)
    )


@functools.cache
def make_converter() -> Any:
    """Return the converter between JSON and the types of the protocol.

    All sessions of a process share it: it compiles a function for each type that it meets, which takes tens of
    milliseconds for the large ones.
    """
    return default_converter()  # type: ignore[no-untyped-call]  # pygls does not annotate it.
