"""Which arguments of vLLM the configuration may add: those that change how the model runs, never who may reach it."""

from __future__ import annotations

ALLOWED = frozenset({
    "additional-config", "async-scheduling", "attention-backend", "attention-config", "block-size",
    "calculate-kv-scales", "chat-template", "chat-template-content-format", "code-revision", "compilation-config",
    "config-format", "convert", "cpu-offload-gb", "cpu-offload-params", "cudagraph-capture-sizes",
    "default-chat-template-kwargs", "disable-cascade-attn", "disable-custom-all-reduce",
    "disable-hybrid-kv-cache-manager", "disable-log-stats", "disable-sliding-window", "download-dir", "dtype",
    "enable-chunked-prefill", "enable-expert-parallel", "enable-flashinfer-autotune", "enable-prefix-caching",
    "enable-prompt-tokens-details", "enforce-eager", "fully-sharded-loras", "generation-config",
    "gpu-memory-utilization", "hf-overrides", "ignore-patterns", "kv-cache-dtype", "kv-cache-memory-bytes",
    "kv-offloading-backend", "kv-offloading-size", "limit-mm-per-prompt", "load-format",
    "long-prefill-token-threshold", "lora-dtype", "max-cudagraph-capture-size", "max-cpu-loras", "max-loras",
    "max-num-batched-tokens", "max-num-partial-prefills", "max-num-queued-reqs", "max-num-queued-tokens",
    "max-parallel-loading-workers", "model-impl", "model-loader-extra-config", "no-async-scheduling",
    "no-enable-chunked-prefill", "no-enable-prefix-caching", "no-enforce-eager", "num-gpu-blocks-override",
    "numa-bind", "optimization-level", "override-generation-config", "performance-mode", "pipeline-parallel-size",
    "pooler-config", "prefix-caching-hash-algo", "quantization", "quantization-config", "reasoning-parser",
    "revision", "rope-scaling", "rope-theta", "safetensors-load-strategy", "scheduling-policy", "seed",
    "shutdown-timeout", "speculative-config", "stream-interval", "structured-outputs-config",
    "tensor-parallel-size", "tokenizer", "tokenizer-mode", "tokenizer-revision", "uvicorn-log-level",
})  # fmt: skip
"""Without the leading dashes. All else is refused: vLLM has options that open it to the network, let requests bring
templates or name files, run code that came with a model, show secrets in the list of processes, or log prompts."""


def check_arguments(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    """Check additional arguments; raises ValueError that names the first one that is refused."""
    for position, argument in enumerate(value):
        if "\0" in argument:
            raise ValueError("must not hold a NUL character")
        if argument.startswith("-") and not _is_number(argument):
            name = argument.partition("=")[0]
            # `--compilation-config.level` is the same option, and argparse would take any unambiguous beginning.
            plain = name.partition(".")[0].replace("_", "-")
            if not plain.startswith("--") or plain.removeprefix("--") not in ALLOWED:
                raise ValueError(
                    f'must not hold "{name}", which is not among the options that only change how the model runs'
                )
        elif position == 0:
            raise ValueError(f'must begin with an option such as "--dtype", not "{argument}"')


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
