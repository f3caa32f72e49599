"""``python -m indexer.worker``: reads one request from standard input, does it, and writes events as lines.

Closing its standard input, or SIGTERM, stops it cleanly; killing it loses only the batch in hand.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType

from indexer.errors import IndexerError
from indexer.types import Progress
from indexer.worker.events import decode_request, encode_event
from indexer.worker.job import run_job

_EXIT_INTERRUPTED = 130
_LOG_BYTES = 2_000_000


def main() -> int:
    """Serve one request; returns the exit code of the process."""
    signal.signal(signal.SIGTERM, _interrupt)
    line = sys.stdin.readline()
    if not line:
        return 0
    request = decode_request(line)
    os.nice(request.niceness)
    _start_log(request.data)
    threading.Thread(target=_stop_with_the_parent, daemon=True).start()
    try:
        reports = run_job(request.job, request.data, request.config, _tell_progress, wait_seconds=request.wait_seconds)
    except IndexerError as error:
        _tell(encode_event(error))
        return error.exit_code
    except (KeyboardInterrupt, BrokenPipeError):
        return _EXIT_INTERRUPTED
    for report in reports:
        _tell(encode_event(report))
    return 0


def _tell_progress(progress: Progress) -> None:
    _tell(encode_event(progress))


def _tell(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop_with_the_parent() -> None:
    # Nothing more is sent to us, so that this returns when the parent closes the pipe or dies.
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _start_log(data: Path) -> None:
    handler: logging.Handler
    try:
        (data / "logs").mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            data / "logs" / "worker.log", maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8"
        )
    except OSError:
        # The job itself will say what is wrong with the directory.
        handler = logging.NullHandler()
    logging.basicConfig(
        level=logging.WARNING, handlers=[handler], format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The thread that waits for the parent holds standard input; the interpreter's shutdown would wait for it.
    os._exit(code)
