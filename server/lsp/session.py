"""One session with a client: its state and how its work runs."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInternalError
from pygls.lsp.server import LanguageServer

from indexer.errors import IndexerError
from server import queries
from server.errors import LimitReached, RequestRefused, ServerError
from server.lsp.clients import OTHER
from server.lsp.protocol import HearthProtocol, make_converter
from server.lsp.services import Assemble, Services
from server.lsp.workspace import Workspace
from server.principal import Owner, Principal, Work

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_THREADS = 4


class HearthLanguageServer(LanguageServer):
    """One session with one client.

    Args:
        assemble: Builds the services once the client has said what it wants.
        workspace: Knows the folders and the open documents.
        threads: Where blocking work runs; by default threads of its own, which end with it.

    Attributes:
        id: Tells sessions apart where several share their parts.
        editor: Which editor is served, see :mod:`server.lsp.clients`.
    """

    protocol: HearthProtocol

    def __init__(self, assemble: Assemble, workspace: Workspace, threads: Executor | None = None) -> None:
        super().__init__(
            "hearth",
            version("hearth"),
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            protocol_cls=HearthProtocol,
            converter_factory=make_converter,
            max_workers=1,
        )
        self.assemble = assemble
        self.services: Services | None = None
        self.documents = workspace.documents
        self.places = workspace
        self.id = secrets.token_hex(8)
        self.editor = OTHER
        self.on_stop: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._threads = threads or ThreadPoolExecutor(_THREADS, thread_name_prefix="hearth-lsp")
        self._owns_threads = threads is None
        self._stopping: asyncio.Task[None] | None = None

    def handle(self, method: str, handler: Callable[[Any], Any], options: Any = None) -> None:
        """Let ``handler`` answer a method; one that is a coroutine function is cancelled with its request."""
        call: Callable[[Any], Any]
        # pygls marks what it registers by setting attributes, which bound methods do not allow.
        if inspect.iscoroutinefunction(handler):

            async def call(params: Any) -> Any:
                return await handler(params)

        else:

            def call(params: Any) -> Any:
                try:
                    return handler(params)
                except JsonRpcException:
                    raise
                except Exception as error:
                    raise JsonRpcInternalError(self.told(error)) from error

        self.feature(method, options)(call)

    async def in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run blocking work off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def run_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start background work; it is kept, ended with the server, and its failure is logged."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def send_progress(self, token: int | str, value: Any) -> None:
        """Send a partial result or a step of work done."""
        self.protocol.notify(types.PROGRESS, types.ProgressParams(token=token, value=value))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls would show to the user as a message. Its own lines would hold parameters: text of files."""
        unforeseen = None if isinstance(error, JsonRpcException) else error
        log.error("%s: %s", getattr(source, "__name__", source), error, exc_info=unforeseen)

    def told(self, failure: BaseException) -> str:
        """Log why a request failed, and return what the user is told of it: what is not theirs to know is left out."""
        if not isinstance(failure, IndexerError):
            log.error("a request failed", exc_info=failure)
            return "Hearth failed at this; its log says why"
        log.error("a request failed: %s", failure)
        if isinstance(failure, ServerError) or isinstance(self.principal, Owner):
            return str(failure)
        # The message would speak of files on the machine of the index, or of repositories.
        return "The index cannot be read now"

    @property
    def principal(self) -> Principal:
        """Who is served."""
        return self.services.principal if self.services is not None else Owner()

    def permit(self, work: Work) -> None:
        """Let one piece of work begin.

        Raises:
            JsonRpcException: It is not for the user, or there was too much of it lately.
        """
        try:
            self.principal.permit(work)
        except RequestRefused as error:
            raise JsonRpcException(str(error), code=types.LSPErrorCodes.RequestFailed.value) from error

    def may_complete(self) -> bool:
        """Let a completion begin; false when there were too many lately, of which nobody is told while they type.

        Raises:
            JsonRpcException: Completions are not for the user.
        """
        try:
            self.permit(Work.COMPLETE)
        except JsonRpcException as error:
            if isinstance(error.__cause__, LimitReached):
                return False
            raise
        return True

    def why(self, identifier: str) -> dict[str, Any] | None:
        """Say what a suggestion of this session was made of; ``None`` when it is forgotten."""
        record = self.services.completion.records.get(identifier) if self.services is not None else None
        return queries.why_value(record, self.principal.readable) if record is not None else None

    def file_uri(self, repository: str, path: str) -> str | None:
        """Return the URI by which the editor can open a file. Reads the index: call it in a thread."""
        index = self.services.index if self.services is not None else None
        return self.places.file_uri(index, self.principal.readable, repository, path) if index is not None else None

    def citation_uri(self, repository: str, path: str) -> str | None:
        """Return the URI of a file when it is below an open workspace folder. Call it in a thread."""
        uri = self.file_uri(repository, path)
        return uri if uri is not None and self.places.holds(uri) else None

    def show(self, message: str, kind: types.MessageType = types.MessageType.Warning) -> None:
        """Show a message to the user."""
        self.window_show_message(types.ShowMessageParams(type=kind, message=message))

    async def stop(self) -> None:
        """End all work: tasks, processes, threads, connections. Who asks again waits as well."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="stop")
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        for hook in self.on_stop:
            await hook()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.services is not None:
            await self.services.close()
        if self._owns_threads:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
