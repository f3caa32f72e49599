"""A real vLLM for the benchmark: started from the python that has it, with a model given or one of random weights."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 300.0
_OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
_RANDOM_WEIGHTS = """
import sys
import torch
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

directory = sys.argv[1]
end = "<|endoftext|>"
tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{directory}/tokenizer.json", eos_token=end, pad_token=end)
tokenizer.save_pretrained(directory)
torch.manual_seed(1)
number = tokenizer.convert_tokens_to_ids(end)
model = Qwen2ForCausalLM(Qwen2Config(
    vocab_size=len(tokenizer), hidden_size=128, intermediate_size=320, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=8192, tie_word_embeddings=True, bos_token_id=number,
    eos_token_id=number,
))
model.save_pretrained(directory)
"""


def random_model(python: Path, tokenizer: Path) -> Path:
    """Add a Qwen2-shaped model of a million random weights to the directory of a tokenizer, and return it.

    What it writes means nothing: good for latencies and the prefix cache, not for what is accepted.
    """
    subprocess.run([python, "-c", _RANDOM_WEIGHTS, tokenizer], check=True, stdout=subprocess.DEVNULL)
    return tokenizer


@contextmanager
def running_vllm(python: Path, model: Path, name: str, log: Path) -> Iterator[str]:
    """Start vLLM on the loopback, yield its address, and end it with its child processes.

    Args:
        python: The interpreter that has vLLM.
        model: Directory of the model.
        name: What the server calls it; its family follows from it.
        log: File for its output.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", name),
        *("--host", "127.0.0.1", "--port", str(port), "--max-model-len", "8192", "--max-num-seqs", "64"),
        *("--dtype", "auto", "--enforce-eager", "--enable-prompt-tokens-details"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **_OFFLINE}, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _healthy(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"vLLM did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.5)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:  # noqa: S310  # the address is made above
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
