"""Settings of the model servers that Hearth starts itself: ``[engine.launcher]`` and a table for each instance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen, validators

from server.config.arguments import check_arguments
from server.config.fields import between, setting

_LORA_RANKS = (8, 16, 32, 64, 128, 256)


def _gpu_numbers(_instance: object, _attribute: object, value: tuple[int, ...]) -> None:
    if any(number < 0 for number in value) or len(set(value)) != len(value):
        raise ValueError(f"must name each GPU once, by its number from 0, not {list(value)}")


def _adapters(_instance: object, _attribute: object, value: Mapping[str, Path]) -> None:
    for name, path in value.items():
        if not name or "=" in name or name.startswith("-"):
            raise ValueError(f'must map names of adapters to their directories, not "{name}" to "{path}"')


@frozen
class InstanceConfig:
    """One model server."""

    model: str = setting("", "Directory of the model, or its name on the Hugging Face hub; empty means no such server.")
    name: str = setting("", "Name that it is asked by; empty means the last part of `model`.")
    port: int = setting(0, "Port on the loopback interface; 0 means a Unix socket, which only you can open.",
                        between(0, 65535))  # fmt: skip
    gpus: tuple[int, ...] = field(
        default=(),
        metadata={"help": "Numbers of the GPUs to spread the model over; empty means the first one."},
        validator=_gpu_numbers,
    )
    memory_gib: float = setting(
        0.0,
        "Memory to take, in GiB: on a GPU all of it, on a CPU what keeps the prompts. 0 means a fair part of the GPU, "
        "or 4 GiB on a CPU.",
        between(0.0, 10_000.0),
    )
    max_model_len: int = setting(
        0, "Context length in tokens; 0 means what the other settings need.", between(0, 1 << 20)
    )
    max_num_seqs: int = setting(64, "Most requests that it works on at the same time.", between(1, 4096))
    extra_arguments: tuple[str, ...] = field(
        default=(),
        metadata={"help": "More arguments for vLLM, one item each; those that would open it to others are refused."},
        validator=check_arguments,
    )


@frozen
class GeneratingInstanceConfig(InstanceConfig):
    """One model server that writes text."""

    speculative: bool = setting(
        True, "Whether to guess tokens from what the prompt holds already, which code often repeats."
    )
    lora: Mapping[str, Path] = field(
        factory=dict,
        metadata={
            "help": 'LoRA adapters by the name they are asked by: `payments-lora = "/models/payments"`. '
            "[engine.vllm.teams] gives them to teams; relative paths start at the directory of hearth.toml."
        },
        validator=_adapters,
    )
    max_lora_rank: int = setting(16, "Greatest rank of an adapter.", validators.in_(_LORA_RANKS))


@frozen
class CompletionInstanceConfig(GeneratingInstanceConfig):
    """The server of the completion model, which also explains while no other is given."""


@frozen
class ExplanationInstanceConfig(GeneratingInstanceConfig):
    """The server of a chat model for explanations."""


@frozen
class EmbeddingsInstanceConfig(InstanceConfig):
    """The server of an embedding model; `[index.embedder]` then asks it unless it names another."""


@frozen
class LauncherConfig:
    """The model servers that `hearth engine up` starts, each a vLLM process of its own."""

    python: str = setting("", "Python of the environment that has vLLM; empty means the one that runs Hearth.")
    device: str = setting(
        "auto",
        "Where models run: `auto` takes the GPU when the machine has one and the CPU otherwise.",
        validators.in_(("auto", "cuda", "cpu")),
    )
    reserve_gib: float = setting(
        4.0, "Memory of each GPU that is left for FAISS and others, in GiB.", between(0.0, 1000.0)
    )
    offline: bool = setting(True, "Whether models are only taken from this machine, never from the Hugging Face hub.")
    start_seconds: float = setting(
        900.0, "How long a server may take until it is ready before it is started again.", between(1.0, 86_400.0)
    )
    stop_seconds: float = setting(20.0, "How long a server may take to end before it is killed.", between(0.1, 600.0))
    probe_seconds: float = setting(5.0, "How often a server is asked whether it is well.", between(0.05, 600.0))
    probe_failures: int = setting(3, "Unanswered questions in a row after which it is started again.", between(1, 100))
    restart_seconds: float = setting(
        1.0, "Pause before a server that ended is started again; it doubles each time.", between(0.01, 3600.0)
    )
    restart_max_seconds: float = setting(120.0, "Most that this pause grows to.", between(0.01, 86_400.0))
    log_bytes: int = setting(10_000_000, "Size at which a server's log is put aside.", between(10_000, 1 << 32))
    log_files: int = setting(5, "How many such logs of each server are kept.", between(1, 100))
    completion: CompletionInstanceConfig = field(factory=CompletionInstanceConfig)
    explanation: ExplanationInstanceConfig = field(factory=ExplanationInstanceConfig)
    embeddings: EmbeddingsInstanceConfig = field(factory=EmbeddingsInstanceConfig)
