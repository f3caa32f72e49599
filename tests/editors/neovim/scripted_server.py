"""A language server that says exactly what a test tells it to, over a real pipe.

Usage: ``python scripted_server.py LOG [ENCODING [ARGUMENT…]]``. Every message it gets is appended to LOG, a line of
JSON each, and before them further arguments and the token in its environment, as if they had been sent.
It answers ``initialize`` and ``shutdown`` by itself, and beyond that sends what the notification ``test/send`` carries,
or dies on ``test/die``. So a test can be late, wrong or slow at will, and in a known order.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO


def read_message(stream: BinaryIO) -> dict[str, Any] | None:
    """Read one message; ``None`` at the end of the stream."""
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    if length == 0:
        return None
    message: dict[str, Any] = json.loads(stream.read(length))
    return message


def write_message(message: dict[str, Any]) -> None:
    """Write one message to standard output."""
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    sys.stdout.buffer.flush()


def capabilities(encoding: str) -> dict[str, Any]:
    """Return what this server offers."""
    return {
        "positionEncoding": encoding,
        "textDocumentSync": {"openClose": True, "change": 2, "save": True},
        "inlineCompletionProvider": {},
        "executeCommandProvider": {"commands": ["hearth.explain"]},
        "workspace": {"workspaceFolders": {"supported": True, "changeNotifications": True}},
    }


def main() -> None:
    """Serve until the client ends."""
    log = Path(sys.argv[1])
    encoding = sys.argv[2] if len(sys.argv) > 2 else "utf-16"
    token = {name: value for name, value in os.environ.items() if name == "HEARTH_TOKEN"}
    with log.open("a", encoding="utf-8") as file:
        for method, params in (("test/arguments", sys.argv[3:]), ("test/environment", token)):
            file.write(json.dumps({"method": method, "params": params}) + "\n")
        while message := read_message(sys.stdin.buffer):
            file.write(json.dumps(message) + "\n")
            file.flush()
            match message.get("method"):
                case "initialize":
                    write_message({"id": message["id"], "result": {"capabilities": capabilities(encoding)}})
                case "shutdown":
                    write_message({"id": message["id"], "result": None})
                case "exit":
                    return
                case "test/send":
                    write_message(message["params"])
                case "test/die":
                    os._exit(message["params"]["code"])


if __name__ == "__main__":
    main()
