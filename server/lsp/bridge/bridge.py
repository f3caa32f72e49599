"""Carries messages between one editor and the team server, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import logging
import random
from contextlib import suppress
from typing import Any

import aiohttp

from server.lsp.bridge import clones
from server.lsp.bridge.link import Link, Refused, Socket, Unreachable
from server.lsp.bridge.shadow import CHANGE_FOLDERS, Shadow
from server.lsp.document_files import DocumentFiles, from_data_uri
from server.lsp.framing import FramedOutlet, read_message

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 15.0
REFUSED_WAIT_SECONDS = 30.0
TOKEN_POLL_SECONDS = 1.0
LOOK_SECONDS = 2.0
"""How often it is looked whether another branch was checked out."""
_STABLE_SECONDS = 10.0
_REQUEST_FAILED = -32803
_SERVER_CANCELLED = -32802
_WARNING = 2
_TOO_LARGE = aiohttp.WSCloseCode.MESSAGE_TOO_BIG


class Bridge:
    """One editor's session. Every message is passed on at once.

    Args:
        link: The way to the server.
        reader: What the editor says.
        outlet: Where the editor listens.
    """

    def __init__(self, link: Link, reader: asyncio.StreamReader, outlet: FramedOutlet) -> None:
        self._link = link
        self._reader = reader
        self._outlet = outlet
        self._shadow = Shadow()
        self._documents = DocumentFiles()
        self._begun = asyncio.Event()
        self._answered = False
        """Whether the editor has the answer to ``initialize``, and later ones are for nobody."""
        self._initialize_id: Any = None
        self._live: asyncio.Queue[bytes] | None = None
        self._pending: dict[Any, str] = {}
        self._asked: set[Any] = set()
        self._told: set[str] = set()
        self._index: Any = {"state": "empty", "repositories": []}
        self._numbers = itertools.count(1)
        self._folders_changed = asyncio.Event()
        self._orderly = False

    async def run(self) -> int:
        """Serve until the editor ends; return 0 after an orderly ``shutdown`` and 1 otherwise."""
        connecting = asyncio.create_task(self._stay_connected(), name="connection")
        try:
            while (body := await read_message(self._reader)) is not None:
                if not self._from_editor(body):
                    break
                if connecting.done():
                    connecting.result()
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await asyncio.to_thread(self._documents.close)
        return 0 if self._orderly else 1

    def _from_editor(self, body: bytes) -> bool:
        """Pass one message on; false when it was the last one."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            log.error("a message that is not JSON-RPC was ignored")
            return True
        method, identifier = message.get("method"), message.get("id")
        if method is None:
            if identifier in self._asked:
                self._asked.discard(identifier)
                self._send(body)
        elif identifier is None:
            self._shadow.note(method, message.get("params"))
            self._send(body)
            if method == CHANGE_FOLDERS:
                self._folders_changed.set()
            return bool(method != "exit")
        elif method == "initialize":
            self._initialize_id = identifier
            self._pending[identifier] = method
            self._shadow.note_initialize(message.get("params"))
            self._begun.set()
        else:
            self._request(method, identifier, body)
        return True

    def _request(self, method: str, identifier: Any, body: bytes) -> None:
        self._orderly = self._orderly or method == "shutdown"
        if self._live is not None:
            self._pending[identifier] = method
            self._send(body)
        elif method == "shutdown":
            self._answer(identifier, result=None)
        else:
            self._answer(identifier, error=(_SERVER_CANCELLED, f"{self._link.url} is not connected now"))

    def _send(self, body: bytes) -> None:
        if self._live is not None:
            self._live.put_nowait(body)

    async def _stay_connected(self) -> None:
        await self._begun.wait()
        wait = FIRST_WAIT_SECONDS
        while True:
            began = asyncio.get_running_loop().time()
            try:
                socket = await self._link.connect()
            except Refused as refusal:
                self._tell(str(refusal))
                if refusal.signing_in_helps:
                    await self._wait_for_sign_in(str(refusal))
                    wait = FIRST_WAIT_SECONDS
                    continue
                self._refuse_to_begin(str(refusal))
                wait = REFUSED_WAIT_SECONDS
            except Unreachable as error:
                log.warning("%s", error)
                self._lost(str(error))
                self._tell(str(error))
            else:
                self._told.clear()
                why = await self._use(socket)
                log.warning("the connection to %s ended: %s", self._link.url, why)
                self._lost(f"the connection to {self._link.url} ended: {why}")
                if asyncio.get_running_loop().time() - began > _STABLE_SECONDS:
                    wait = FIRST_WAIT_SECONDS
            # Many editors lose a server that restarts at the same time, and should not all come back at once.
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  # no secret  # nosec B311
            wait = min(max(wait, FIRST_WAIT_SECONDS) * 2, LONGEST_WAIT_SECONDS)

    async def _wait_for_sign_in(self, reason: str) -> None:
        """Wait until there is another token, and once in a while without one: the same may be taken again."""
        self._lost(reason)
        for _ in range(round(REFUSED_WAIT_SECONDS / TOKEN_POLL_SECONDS)):
            await asyncio.sleep(TOKEN_POLL_SECONDS)
            if await asyncio.to_thread(self._link.has_new_token):
                self._told.clear()
                return

    async def _use(self, socket: Socket) -> str:
        """Use a connection until it ends, and return why it did."""
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        tasks = [asyncio.create_task(_send_all(socket, outgoing), name="sending")]
        try:
            repositories = await self._repositories()
            greeting = self._greet(outgoing, repositories)
            tasks.append(asyncio.create_task(self._follow_clones(outgoing, repositories), name="clones"))
            while True:
                message = await socket.receive()
                if message.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                    return self._ended(socket, message.extra)
                if greeting is not None and self._is_answer(message.data, greeting):
                    greeting = None
                    self._resume(outgoing)
                else:
                    await self._from_server(message.data)
        finally:
            self._live = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()

    async def _repositories(self) -> list[dict[str, str]]:
        """Look which repositories the folders are."""
        return await asyncio.to_thread(clones.describe, copy.deepcopy(self._shadow.initialize or {}))

    async def _follow_clones(self, outgoing: asyncio.Queue[bytes], told: list[dict[str, str]]) -> None:
        """Tell the server when folders came or went, and when another branch is checked out in one."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._folders_changed.wait()
            self._folders_changed.clear()
            repositories = await self._repositories()
            if repositories != told and self._live is outgoing:
                told = repositories
                news = {
                    "jsonrpc": "2.0",
                    "method": "hearth/didChangeRepositories",
                    "params": {"repositories": repositories},
                }
                outgoing.put_nowait(json.dumps(news).encode())

    def _greet(self, outgoing: asyncio.Queue[bytes], repositories: list[dict[str, str]]) -> str | None:
        """Begin the session; return the id of a request whose answer is for the bridge and not for the editor."""
        parameters = copy.deepcopy(self._shadow.initialize or {})
        options = parameters.get("initializationOptions")
        options = dict(options) if isinstance(options, dict) else {}
        hearth = options.get("hearth")
        hearth = dict(hearth) if isinstance(hearth, dict) else {}
        hearth.setdefault("repositories", repositories)
        parameters["initializationOptions"] = {**options, "hearth": hearth}
        # The process id is of this machine, and means nothing on the server's.
        parameters["processId"] = None
        again = f"hearth-connect-{next(self._numbers)}" if self._answered else None
        identifier = self._initialize_id if again is None else again
        request = {"jsonrpc": "2.0", "id": identifier, "method": "initialize", "params": parameters}
        outgoing.put_nowait(json.dumps(request).encode())
        if again is None:
            self._resume(outgoing)
        return again

    def _resume(self, outgoing: asyncio.Queue[bytes]) -> None:
        """Say what the editor said before; from now on its messages follow."""
        for body in self._shadow.replay():
            outgoing.put_nowait(body)
        self._live = outgoing

    async def _from_server(self, body: bytes) -> None:
        """Pass one message on to the editor."""
        message = json.loads(body)
        method, identifier = message.get("method"), message.get("id")
        if method is None:
            if self._pending.pop(identifier, None) == "initialize":
                self._answered = True
                self._shadow.note_capabilities(message.get("result"))
        elif identifier is not None:
            self._asked.add(identifier)
            if method == "window/showDocument":
                body = await asyncio.to_thread(self._with_file, message, body)
        elif method == "hearth/status":
            self._index = message["params"]["index"]
        self._outlet.write(body)

    def _with_file(self, message: Any, body: bytes) -> bytes:
        """Put a document that the server sent along into a file of this machine."""
        parameters = message.get("params")
        text = from_data_uri(parameters.get("uri")) if isinstance(parameters, dict) else None
        if text is None:
            return body
        try:
            uri = self._documents.publish(text)
        except OSError as error:
            log.warning("a document cannot be written: %s", error)
            return body
        return json.dumps({**message, "params": {**parameters, "uri": uri}}).encode()

    def _is_answer(self, body: bytes, identifier: str) -> bool:
        message = json.loads(body)
        return "method" not in message and message.get("id") == identifier

    def _ended(self, socket: Socket, reason: object) -> str:
        if socket.close_code == _TOO_LARGE:
            uri = self._shadow.leave_out_largest()
            self._tell(f"{uri} is larger than {self._link.url} takes; Hearth does without it.")
        return f"{socket.close_code} {reason or ''}".rstrip()

    def _lost(self, detail: str) -> None:
        """Answer what can no longer be answered, and show that there is no server."""
        self._asked.clear()
        for identifier, method in list(self._pending.items()):
            if method != "initialize":
                del self._pending[identifier]
                self._answer(identifier, error=(_SERVER_CANCELLED, detail))
        if self._answered:
            engine = {"rung": "quiet", "detail": detail, "model": "", "tokens": ""}
            self._notify("hearth/status", {"engine": engine, "index": self._index, "connected": False})

    def _refuse_to_begin(self, reason: str) -> None:
        """Answer ``initialize``, so that the editor does not wait for a server that does not want it."""
        if self._pending.pop(self._initialize_id, None) is not None:
            self._answered = True
            self._answer(self._initialize_id, error=(_REQUEST_FAILED, reason))

    def _tell(self, message: str) -> None:
        """Show something to the user, once until there is a connection again."""
        if message not in self._told:
            self._told.add(message)
            self._notify("window/showMessage", {"type": _WARNING, "message": f"Hearth: {message}"})

    def _notify(self, method: str, parameters: Any) -> None:
        self._outlet.write(json.dumps({"jsonrpc": "2.0", "method": method, "params": parameters}).encode())

    def _answer(self, identifier: Any, *, result: Any = None, error: tuple[int, str] | None = None) -> None:
        outcome = {"result": result} if error is None else {"error": {"code": error[0], "message": error[1]}}
        self._outlet.write(json.dumps({"jsonrpc": "2.0", "id": identifier, **outcome}).encode())


async def _send_all(socket: Socket, outgoing: asyncio.Queue[bytes]) -> None:
    with suppress(ConnectionError):
        while True:
            await socket.send_frame(await outgoing.get(), aiohttp.WSMsgType.TEXT)
