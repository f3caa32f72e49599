"""``python -m indexer.worker``: reads requests from standard input, does them in order, and writes events as lines.

Closing its standard input, or SIGTERM, stops it cleanly; killing it loses only the batch in hand.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType

from indexer.errors import IndexerError
from indexer.private import make_all_private
from indexer.terminal import OneLine
from indexer.types import Progress
from indexer.worker.events import DONE, Request, decode_request, encode_event
from indexer.worker.job import run_job

_EXIT_INTERRUPTED = 130
_LOG_BYTES = 2_000_000


def main() -> int:
    """Serve requests until there are no more; returns the exit code of the process."""
    make_all_private()
    signal.signal(signal.SIGTERM, _interrupt)
    requests = _Requests()
    threading.Thread(target=requests.read, daemon=True).start()
    niceness = 0
    logging_to: Path | None = None
    try:
        while (request := requests.take()) is not None:
            os.nice(max(request.niceness - niceness, 0))
            niceness = max(request.niceness, niceness)
            if request.data != logging_to:
                logging_to = request.data
                _start_log(request.data)
            _serve(request)
            requests.busy = False
    except (KeyboardInterrupt, BrokenPipeError):
        return _EXIT_INTERRUPTED
    return 0


class _Requests:
    """Requests as they come in. When whoever sends them closes the pipe or dies, the one in hand is stopped."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.busy = False

    def read(self) -> None:
        for line in sys.stdin:
            self._lines.put(line)
        self._lines.put(None)
        if self.busy:
            os.kill(os.getpid(), signal.SIGTERM)

    def take(self) -> Request | None:
        line = self._lines.get()
        self.busy = line is not None
        return decode_request(line) if line is not None else None


def _serve(request: Request) -> None:
    try:
        reports = run_job(request.job, request.data, request.config, _tell_progress, wait_seconds=request.wait_seconds)
    except IndexerError as error:
        _tell(encode_event(error))
        return
    for report in reports:
        _tell(encode_event(report))
    _tell(DONE)


def _tell_progress(progress: Progress) -> None:
    _tell(encode_event(progress))


def _tell(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _start_log(data: Path) -> None:
    handler: logging.Handler
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data / "logs").mkdir(mode=0o700, exist_ok=True)
        handler = RotatingFileHandler(
            data / "logs" / "worker.log", maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8"
        )
    except OSError:
        # The job itself will say what is wrong with the directory.
        handler = logging.NullHandler()
    handler.setFormatter(OneLine("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The thread that waits for the parent holds standard input; the interpreter's shutdown would wait for it.
    os._exit(code)
