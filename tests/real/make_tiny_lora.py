"""Train a tiny LoRA adapter that gives a tiny model other answers. Run with the python that has vLLM.

``make_tiny_lora.py MODEL EXAMPLES.json OUTPUT``: EXAMPLES is what :mod:`tests.real.make_tiny_model` reads. Only the two
small matrices beside some of the model's are trained, and they are written as vLLM loads them.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, Qwen2ForCausalLM

# Run by path: the directory of this file is where it looks first.
sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.real.make_tiny_model import END, is_learnt

_RANK = 8
_SCALE = 8
_MAX_STEPS = 500
_TARGETS = ("q_proj", "v_proj", "o_proj", "up_proj", "down_proj")


class LoraLinear(torch.nn.Module):  # type: ignore[misc]  # torch is not here to be checked
    """A frozen linear layer plus the product of two small matrices."""

    def __init__(self, base: torch.nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.a = torch.nn.Parameter(torch.randn(_RANK, base.in_features) / math.sqrt(base.in_features))
        self.b = torch.nn.Parameter(torch.zeros(base.out_features, _RANK))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply both."""
        result: torch.Tensor = self.base(x) + _SCALE * (x @ self.a.T @ self.b.T)
        return result


def main() -> int:
    """Train and save; return 1 when the examples were not learnt within the time limit."""
    source, examples_path, output = map(Path, sys.argv[1:4])
    job = json.loads(examples_path.read_text())
    torch.manual_seed(1)
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(source)
    rows = [
        (tokenizer.encode(example["prompt"]), tokenizer.encode(example["completion"] + END))
        for example in job["examples"]
    ]
    model = Qwen2ForCausalLM.from_pretrained(source, dtype=torch.float32)
    model.requires_grad_(requires_grad=False)
    layers: dict[str, LoraLinear] = {}
    for name, module in list(model.named_modules()):
        parent, _, leaf = name.rpartition(".")
        if leaf in _TARGETS:
            layers[name] = LoraLinear(module)
            setattr(model.get_submodule(parent), leaf, layers[name])
    if not train(model, rows):
        return 1
    weights = {
        f"base_model.model.{name}.lora_{half.upper()}.weight": getattr(layer, half).detach().contiguous()
        for name, layer in layers.items()
        for half in ("a", "b")
    }
    save_file(weights, output / "adapter_model.safetensors")
    configuration = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(source),
        "r": _RANK,
        "lora_alpha": _SCALE * _RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(_TARGETS),
    }
    (output / "adapter_config.json").write_text(json.dumps(configuration))
    return 0


def train(model: Qwen2ForCausalLM, rows: list[tuple[list[int], list[int]]]) -> bool:
    """Fit the completions, one row after another, until greedy decoding is exact; tell whether that was reached."""
    optimizer = torch.optim.AdamW([item for item in model.parameters() if item.requires_grad], lr=2e-3)
    for _ in range(_MAX_STEPS):
        model.train()
        for prompt, completion in rows:
            labels = torch.tensor([[-100] * len(prompt) + completion])
            loss = model(input_ids=torch.tensor([prompt + completion]), labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if all(is_learnt(model, prompt, completion) for prompt, completion in rows):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
