"""Stands in for vLLM where its faults are wanted at will. Run by path; ``control`` is a directory of switches.

Files in ``control``: ``fail`` ends it at the start, ``hang`` leaves ``/health`` unanswered, ``deaf`` ignores SIGTERM,
``complains`` writes of an error and goes on.
It starts a child, as vLLM does, and appends both process ids to ``pids``.
"""

from __future__ import annotations

import argparse
import os
import signal
import socketserver
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--uds", required=True)
    parser.add_argument("--chatter", type=int, default=0)
    options = parser.parse_args()
    control: Path = options.control
    if (control / "deaf").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with (control / "pids").open("a") as pids:
        pids.write(f"{os.getpid()}\n{child.pid}\n")
    (control / "environment").write_text("\n".join(os.environ))
    for number in range(options.chatter):
        print(f"line {number} {'x' * 80}", flush=True)
    if (control / "fail").exists():
        print("(EngineCore pid=1) ERROR 01-01 [core.py:1] ValueError: no such model", file=sys.stderr)
        print("RuntimeError: engine failed, see above", file=sys.stderr)
        sys.exit(3)

    if (control / "complains").exists():
        print("ValueError: a request", file=sys.stderr, flush=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            while (control / "hang").exists():
                time.sleep(0.05)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_arguments: object) -> None:
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    Server(options.uds, Handler).serve_forever()


if __name__ == "__main__":
    main()
