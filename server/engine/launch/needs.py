"""What each model server needs: the length of its prompts, memory for weights and prompts, and what may be wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.config import HearthConfig, InstanceConfig, Role, launches, shares_completion
from server.engine.launch.facts import Facts
from server.engine.launch.memory import Need, Share, gpu_numbers
from server.engine.launch.model_files import ModelFiles

_CPU_CACHE_GIB = 4
_CPU_EMBEDDINGS_CACHE_GIB = 1
_LEAST_CACHE_GIB = 0.25
_CPU_OTHERS_GIB = 2.0
"""What else a machine's memory is needed for, at the least: vLLM itself, Hearth and the system."""
_INSTRUCTION_TOKENS = 1024
"""What an explanation's prompt holds besides code and facts."""
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Needs:
    """What one server needs.

    Attributes:
        length: Most tokens of prompt and answer; 0 when vLLM is left to find out.
        length_reason: Why so many, for people.
        asked: How many the settings ask for, which may be more than the model takes.
        memory: On GPUs, weights and the least KV cache.
        cpu_cache_gib: The KV cache on a CPU.
        cpu_problem: Why that is too small, for people; empty when it is not.
    """

    length: int
    length_reason: str
    asked: int
    memory: Need
    cpu_cache_gib: int
    cpu_problem: str = ""


def needs_of(config: HearthConfig, facts: Facts) -> dict[Role, Needs]:
    """Return what each server to start needs."""
    return {role: _needs(config, facts, role, settings) for role, settings in launches(config).items()}


def warnings_of(
    config: HearthConfig, facts: Facts, needs: Mapping[Role, Needs], shares: Mapping[Role, Share]
) -> Iterator[str]:
    """Say what may keep a plan from working, or from working well; ``shares`` are those of GPUs."""
    for role, need in needs.items():
        if role is not Role.EMBEDDINGS and 0 < need.length < need.asked:
            yield (
                f"{role.value}: the model takes {need.length} tokens, fewer than the {need.asked} that the settings "
                "ask for; completions keep to that by themselves, explanations need smaller [explain] context_tokens"
            )
    wanted, reserve = launches(config), config.engine.launcher.reserve_gib
    for gpu in facts.gpus:
        used = facts.others_gib.get(gpu.number, 0.0)
        if used > reserve and any(gpu.number in gpu_numbers(wanted[role], facts.gpus) for role in shares):
            yield (
                f"GPU {gpu.number}: other processes use {used:.1f} GiB now, more than the {reserve:g} GiB of "
                "`reserve_gib`; vLLM does not start until they have ended"
            )
    taken = sum(need.memory.weights + need.cpu_cache_gib for need in needs.values())
    if not shares and 0 < facts.memory_gib < taken + _CPU_OTHERS_GIB:
        yield (
            f"weights and KV caches take {taken:.1f} GiB at the least, and the machine has {facts.memory_gib:.1f} GiB; "
            "`memory_gib` of a server makes its KV cache smaller"
        )


def _needs(config: HearthConfig, facts: Facts, role: Role, settings: InstanceConfig) -> Needs:
    files = facts.models.get(settings.model, ModelFiles())
    length, reason, asked = _length(config, role, settings, files)
    # Another type of numbers in the cache takes less.
    known = not any(item.startswith("--kv-cache-dtype") for item in settings.extra_arguments)
    prompt = files.cache_bytes * (length or files.context_tokens) / _GIB if known else 0.0
    usual = _CPU_EMBEDDINGS_CACHE_GIB if role is Role.EMBEDDINGS else _CPU_CACHE_GIB
    cache = max(1, round(settings.memory_gib)) if settings.memory_gib else max(usual, math.ceil(prompt))
    problem = (
        f"`memory_gib` has {cache} GiB for the KV cache, and one prompt of the full length takes {prompt:.1f} GiB"
        if cache < prompt
        else ""
    )
    return Needs(length, reason, asked, Need(files.weights_gib, max(_LEAST_CACHE_GIB, prompt)), cache, problem)


def _length(config: HearthConfig, role: Role, settings: InstanceConfig, files: ModelFiles) -> tuple[int, str, int]:
    """Return the length, its reason, and what the settings ask for."""
    if settings.max_model_len:
        return settings.max_model_len, "from `max_model_len`", settings.max_model_len
    asked, reason = (
        config.engine.vllm.context_tokens,
        "what [engine.vllm] context_tokens allows; less would refuse prompts",
    )
    explaining = config.explain.context_tokens + config.explain.max_tokens + _INSTRUCTION_TOKENS
    if role is Role.EMBEDDINGS:
        asked = config.index.embedder.max_characters
        reason = "no text has more tokens than [index.embedder] max_characters has characters"
        if not files.context_tokens:
            return 0, "", asked
    elif role is Role.EXPLANATION or (shares_completion(config) and explaining > asked):
        asked, reason = explaining, "what [explain] asks for: context_tokens, max_tokens and the instructions"
    if 0 < files.context_tokens < asked:
        return files.context_tokens, "all that the model takes", asked
    return asked, reason, asked
