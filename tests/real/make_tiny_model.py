"""Train a tiny Qwen2-shaped model that returns known texts for known prompts. Run with the python that has vLLM.

``make_tiny_model.py EXAMPLES.json OUTPUT``: EXAMPLES holds
``{"special_tokens": [...], "examples": [{"prompt", "completion"}]}``. The model is trained until greedy decoding gives
each completion exactly, so that a prompt which is laid out differently (another order, a marker left out) gives
something else. About a minute on one core, 3 MB of weights.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

END = "<|endoftext|>"
_VOCABULARY = 2048
_LIMIT_S = 600.0


def main() -> int:
    """Train and save; return 1 when the examples were not learnt within the time limit."""
    examples_path, output = Path(sys.argv[1]), Path(sys.argv[2])
    job = json.loads(examples_path.read_text())
    torch.manual_seed(1)
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    make_tokenizer(job["special_tokens"], job["examples"]).save_pretrained(output)
    Qwen2Config(vocab_size=_VOCABULARY).save_pretrained(output)
    # As vLLM will load it: the class for the model type splits text in its own way. So does whoever reads the file.
    tokenizer = AutoTokenizer.from_pretrained(output)
    tokenizer.save_pretrained(output)
    rows = [
        (tokenizer.encode(example["prompt"]), tokenizer.encode(example["completion"] + END))
        for example in job["examples"]
    ]
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=320,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.convert_tokens_to_ids(END),
            eos_token_id=tokenizer.convert_tokens_to_ids(END),
        )
    )
    if not train(model, rows):
        return 1
    model.save_pretrained(output)
    return 0


def make_tokenizer(special_tokens: list[str], examples: list[dict[str, str]]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the examples; special tokens stay whole, as the real models' tokenizers keep them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[END, *special_tokens],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [example["prompt"] + example["completion"] for example in examples]
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)


def train(model: Qwen2ForCausalLM, rows: list[tuple[list[int], list[int]]]) -> bool:
    """Fit the completions (prompts are not learnt) until greedy decoding is exact; tell whether that was reached."""
    longest = max(len(prompt) + len(completion) for prompt, completion in rows)
    inputs = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full((len(rows), longest), -100, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for number, (prompt, completion) in enumerate(rows):
        length = len(prompt) + len(completion)
        inputs[number, :length] = torch.tensor(prompt + completion)
        labels[number, len(prompt) : length] = torch.tensor(completion)
        mask[number, :length] = 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    started = time.monotonic()
    step = 0
    while time.monotonic() - started < _LIMIT_S:
        model.train()
        loss = model(input_ids=inputs, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 20 == 0 and loss.item() < 0.003:
            print(f"step {step}: loss {loss.item():.5f}, {time.monotonic() - started:.0f} s", file=sys.stderr)
            if all(is_learnt(model, prompt, completion) for prompt, completion in rows):
                return True
    print(f"not learnt after {step} steps: loss {loss.item():.4f}", file=sys.stderr)
    return False


def is_learnt(model: Qwen2ForCausalLM, prompt: list[int], completion: list[int]) -> bool:
    """Whether each next token is the most likely one, by a margin that other kernels do not eat up."""
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + completion])).logits[0]
    wanted = torch.tensor(completion)
    tail = logits[len(prompt) - 1 : -1]
    best = tail.topk(2).values
    return bool((tail.argmax(-1) == wanted).all() and (best[:, 0] - best[:, 1]).min() > 2.0)


if __name__ == "__main__":
    sys.exit(main())
