"""One session with a client: its state and how its work runs."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from server.lsp.documents import Documents
from server.lsp.git_head import find_work_tree
from server.lsp.protocol import HearthProtocol, make_converter
from server.lsp.services import Assemble, Services
from server.lsp.workspace import Workspace

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_THREADS = 4


class HearthLanguageServer(LanguageServer):
    """One session with one client.

    Args:
        assemble: Builds the services once the client has said what it wants.
    """

    protocol: HearthProtocol

    def __init__(self, assemble: Assemble) -> None:
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
        self.documents = Documents()
        self.places = Workspace(self.documents)
        self.on_stop: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hearth-lsp")
        self._stopped = False

    def handle(self, method: str, handler: Callable[[Any], Any], options: Any = None) -> None:
        """Let ``handler`` answer a method; one that is a coroutine function is cancelled with its request."""
        call: Callable[[Any], Any]
        # pygls marks what it registers by setting attributes, which bound methods do not allow.
        if inspect.iscoroutinefunction(handler):

            async def call(params: Any) -> Any:
                return await handler(params)

        else:

            def call(params: Any) -> Any:
                return handler(params)

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
        """Log what pygls would show to the user as a message."""
        log.error("%s: %s", getattr(source, "__name__", source), error)

    def file_uri(self, repository: str, path: str) -> str | None:
        """Return the URI of a file of a repository that is on this machine. Reads the index: call it in a thread."""
        root = self._root_of(repository)
        file = root / path if root is not None else None
        return file.as_uri() if file is not None and file.is_file() else None

    def citation_uri(self, repository: str, path: str) -> str | None:
        """Return the URI of a file when it is below an open workspace folder. Call it in a thread."""
        uri = self.file_uri(repository, path)
        return uri if uri is not None and self.places.holds(uri) else None

    def _root_of(self, repository: str) -> Path | None:
        """Return the work tree of a repository: one of the workspace's, else the one it was indexed from."""
        index = self.services.index if self.services is not None else None
        if index is None:
            return None
        for folder in self.places.folders.values():
            tree = find_work_tree(folder)
            located = index.locate(tree.root / "x") if tree is not None else None
            if tree is not None and located is not None and located[0] == repository:
                return tree.root
        sources = {status.name: status.source for status in index.repositories()}
        source = Path(sources.get(repository, ""))
        return source if source.is_absolute() and source.is_dir() else None

    def show(self, message: str, kind: types.MessageType = types.MessageType.Warning) -> None:
        """Show a message to the user."""
        self.window_show_message(types.ShowMessageParams(type=kind, message=message))

    async def stop(self) -> None:
        """End all work: tasks, processes, threads, connections. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        for hook in self.on_stop:
            await hook()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.services is not None:
            await self.services.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
