"""A real vLLM on the CPU, with a tiny model made for the prompts of a test. Everything is cached between runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cache import CACHE, filling
from tests.patience import WAIT_SECONDS

HERE = Path(__file__).parent
_START_S = 600.0
_CHAT_TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"


def vllm_python() -> Path:
    """Install vLLM's CPU build unless it is cached, and return the python that has it."""
    done = subprocess.run([HERE / "install_vllm.sh", CACHE], check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


def tiny_model(python: Path, special_tokens: list[str], examples: Mapping[str, str]) -> Path:
    """Train a model that answers each prompt with its completion, unless it is cached, and return its directory."""
    job = {
        "special_tokens": special_tokens,
        "examples": [{"prompt": prompt, "completion": completion} for prompt, completion in examples.items()],
    }
    script = HERE / "make_tiny_model.py"
    key = hashlib.sha256(script.read_bytes() + json.dumps(job).encode()).hexdigest()[:16]
    target = CACHE / f"tiny-model-{key}"
    with filling(target.name):
        if not (target / "config.json").exists():
            request = CACHE / f"tiny-model-{key}.json"
            request.write_text(json.dumps(job))
            building = target.with_suffix(f".{os.getpid()}")
            subprocess.run([python, script, request, building], check=True)
            building.rename(target)
    return target


@dataclass(slots=True)
class Vllm:
    """One vLLM server on the loopback; its port stays the same over restarts."""

    python: Path
    model: Path
    log: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address without ``/v1``."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it is healthy."""
        self.port = self.port or _free_port()
        command = [
            # Its threads keep every core busy; the language server and the test are to have their turn.
            *("nice", "-n", "15"),
            *(str(self.python), "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(self.model), "--served-model-name", "qwen2.5-coder-tiny"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--dtype", "float32", "--enforce-eager", "--max-model-len", "2048"),
            # One sequence at a time, so that what waits and what overtakes it can be told apart.
            *("--max-num-seqs", "1", "--scheduling-policy", "priority"),
            *("--chat-template", _CHAT_TEMPLATE, "--enable-log-requests"),
        ]
        settings = {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        with self.log.open("ab") as log:
            # A session of its own, so that the engine's child processes end with it.
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **settings}, start_new_session=True
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self._healthy():
                return
            time.sleep(0.2)
        raise RuntimeError(f"vLLM did not start:\n{self.log.read_text(errors='replace')[-4000:]}")

    def kill(self) -> None:
        """End it at once, with its child processes. Idempotent."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                print("vLLM was gone already", file=sys.stderr)
            self.process.wait()
            self.process = None

    def log_from(self, position: int) -> str:
        """Return what it has logged from a byte of its log on."""
        with self.log.open("rb") as file:
            file.seek(position)
            return file.read().decode(errors="replace")

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=WAIT_SECONDS) as answer:
            text = answer.read().decode()
        total = 0.0
        for line in text.splitlines():
            if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(re.split(r"}\s+", line)[1])
        return total

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
