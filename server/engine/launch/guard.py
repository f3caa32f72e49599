"""A small process between Hearth and one model server: ends the server when Hearth is gone, and writes its log.

Run by path, with nothing but the standard library. It stops the server, politely and then not, when its standard input
is closed: by Hearth on purpose, or by the system when Hearth was killed. Its standard output says one line of JSON,
``{"pid": N}`` or ``{"error": "..."}``; its exit status is the server's.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MAX_LINE_BYTES = 65_536
_ORPHAN_SECONDS = 3.0
_POLL_SECONDS = 0.05
_EXIT_NOT_FOUND = 127
_SIGNALLED = 128


def main() -> int:
    """Run one server to its end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--log-bytes", type=int, required=True)
    parser.add_argument("--log-files", type=int, required=True)
    parser.add_argument("--grace", type=float, required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    # The socket of the server and its log are for this user alone.
    os.umask(0o077)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    prctl = _prctl()
    # Children of a server that died become ours, so that none is forgotten.
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    us = os.getpid()

    def die_with_the_guard() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != us:
            os._exit(_EXIT_NOT_FOUND)

    try:
        log = RotatingFileHandler(
            options.log, maxBytes=options.log_bytes, backupCount=options.log_files - 1, encoding="utf-8"
        )
        server = subprocess.Popen(
            options.command[1:],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_the_guard,  # noqa: PLW1509  # no other thread runs yet
        )
    except OSError as error:
        _say({"error": f"{error.filename or options.command[1]}: {error.strerror}"})
        return _EXIT_NOT_FOUND
    _say({"pid": server.pid})
    writer = threading.Thread(target=_write_log, args=(server, log), daemon=True)
    writer.start()
    threading.Thread(target=_wait_for_the_end_of_input, args=(stop,), daemon=True).start()
    ended = threading.Event()
    threading.Thread(target=_stop, args=(server, stop, ended, options.grace), daemon=True).start()
    status = server.wait()
    ended.set()
    _end_group(server.pid)
    _end_orphans(server.pid)
    writer.join(_ORPHAN_SECONDS)
    return status if status >= 0 else _SIGNALLED - status


def _prctl() -> Callable[[int, int], int]:
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "prctl"):  # only Linux has it; elsewhere closing our input is what ends the server
        return lambda _option, _value: 0
    return lambda option, value: int(library.prctl(option, value, 0, 0, 0))


def _say(value: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


def _write_log(server: subprocess.Popen[bytes], log: RotatingFileHandler) -> None:
    # A full disk must not end a server that is well.
    logging.raiseExceptions = False
    output = server.stdout
    while output is not None and (line := output.readline(_MAX_LINE_BYTES)):
        text = line.decode(errors="replace").rstrip("\n")
        log.emit(logging.makeLogRecord({"msg": text}))


def _wait_for_the_end_of_input(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()


def _stop(server: subprocess.Popen[bytes], stop: threading.Event, ended: threading.Event, grace: float) -> None:
    stop.wait()
    with contextlib.suppress(ProcessLookupError):
        server.send_signal(signal.SIGTERM)
    if not ended.wait(grace):
        _end_group(server.pid)


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _end_orphans(group: int) -> None:
    """Kill and reap what the server left, also what has left its process group."""
    deadline = time.monotonic() + _ORPHAN_SECONDS
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            for child in children.read_text("ascii").split():
                os.kill(int(child), signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(_POLL_SECONDS)
        except ChildProcessError:
            return
        _end_group(group)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The thread that reads standard input holds it; the interpreter's shutdown would wait for it.
    os._exit(code)
