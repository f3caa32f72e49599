"""What the files of a model on this machine say of it: how large it is, and what its prompts take."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GIB = 2**30
_MAX_FILE_BYTES = 1_000_000
_MAX_TOKENS = 1 << 24
"""Some tokenizers say so many that they mean none."""
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length")
_SCALED_ALREADY = {"default", "llama3", "yarn", "longrope", "su"}
"""Ways to stretch positions that leave the length in ``config.json`` as it counts for vLLM."""
_DESCRIPTIONS = ("config.json", "params.json", "adapter_config.json")
"""Without one of them vLLM takes a directory for no model, or for no adapter."""
_FULL_ATTENTION = "full_attention"
_OTHER_ATTENTION = ("kv_lora_rank", "layers_block_type", "sliding_window_pattern", "attn_layer_period")
"""What says that layers keep less of a prompt than a key and a value for each head, as `layer_types` may."""
_CACHE_BYTES = 2
"""Of a number in the KV cache, unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What is known of a model; a number is 0 when its files do not tell.

    Attributes:
        weights_gib: Size of the weights.
        context_tokens: Most tokens that vLLM lets it have.
        cache_bytes: What one token of a prompt takes in the KV cache.
    """

    weights_gib: float = 0.0
    context_tokens: int = 0
    cache_bytes: int = 0


def read_model_files(model: str) -> ModelFiles:
    """Look at a model's directory, or at its files in the hub's cache of this machine; asks nobody."""
    directory = _directory(model)
    if directory is None:
        return ModelFiles()
    config = _read(directory / "config.json")
    text = config.get("text_config")
    described = text if isinstance(text, dict) else config
    return ModelFiles(
        _weights_gib(directory), _context_tokens(described, _read(directory / "tokenizer_config.json")),
        _cache_bytes(described),
    )  # fmt: skip


def is_here(model: str) -> bool:
    """Whether a model or adapter is on this machine: in a directory, or in the hub's cache under its name."""
    directory = _directory(model)
    return directory is not None and any((directory / name).is_file() for name in _DESCRIPTIONS)


def _directory(model: str) -> Path | None:
    directory = Path(model)
    if directory.is_dir():
        return directory
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    snapshots = home / "hub" / f"models--{model.replace('/', '--')}" / "snapshots"
    return max(
        (path for path in snapshots.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime, default=None
    )


def _weights_gib(directory: Path) -> float:
    for pattern in ("*.safetensors", "*.bin"):
        if total := sum(path.stat().st_size for path in directory.glob(pattern)):
            return total / _GIB
    return 0.0


def _read(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            return {}
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _context_tokens(config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> int:
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default" if isinstance(scaling, dict) else ""
    if kind not in _SCALED_ALREADY:
        return 0
    lengths = [_whole(config.get(name)) for name in _CONTEXT]
    own = min((length for length in lengths if length), default=0)
    told = _whole(tokenizer.get("model_max_length"))
    return min(own, told) if own and told else own


def _cache_bytes(config: Mapping[str, Any]) -> int:
    windowed = config.get("sliding_window") and config.get("use_sliding_window") is not False
    kinds = config.get("layer_types") or ()
    if windowed or any(config.get(name) for name in _OTHER_ATTENTION) or set(kinds) - {_FULL_ATTENTION}:
        return 0
    layers, heads = _whole(config.get("num_hidden_layers")), _whole(config.get("num_attention_heads"))
    hidden = _whole(config.get("hidden_size"))
    if not layers or not heads or not hidden:
        return 0
    kept = _whole(config.get("num_key_value_heads")) or heads
    return 2 * _CACHE_BYTES * layers * kept * (_whole(config.get("head_dim")) or hidden // heads)


def _whole(value: object) -> int:
    """Return a number of things; 0 for what is none."""
    return int(value) if isinstance(value, int | float) and 0 < value <= _MAX_TOKENS else 0
