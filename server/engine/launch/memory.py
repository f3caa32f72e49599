"""How the memory of GPUs is divided among the model servers, FAISS and everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.config import InstanceConfig, Role
from server.engine.launch.facts import Gpu

OVERHEAD_GIB = 2.0
"""What a server takes on each GPU beyond weights and KV cache: CUDA's context and graphs, activations. An estimate on
the safe side for models of up to some 30 billion parameters at the batch sizes used here."""

_LEAST_KV_GIB = 0.25


@dataclass(frozen=True, slots=True)
class Share:
    """What one server gets on each of its GPUs, in GiB.

    Attributes:
        total: All it may take.
        weights: Its part of the weights; 0.0 when their size is not known.
        kv_cache: What keeps the prompts; 0.0 when vLLM has to find out itself.
        fraction: ``total`` as a part of the smallest of its GPUs.
        problem: Why it will not fit, for people; empty when it should.
    """

    total: float
    weights: float
    kv_cache: float
    fraction: float
    problem: str = ""


def divide(
    instances: Mapping[Role, InstanceConfig], gpus: tuple[Gpu, ...], weights_gib: Mapping[str, float], reserve: float
) -> dict[Role, Share]:
    """Give each server its share: what its settings say, else its weights and an equal part of what is left."""
    by_number = {gpu.number: gpu for gpu in gpus}
    totals: dict[Role, float] = {}
    for role, instance in instances.items():
        used = [by_number[number] for number in gpu_numbers(instance, gpus) if number in by_number]
        parts = [
            _part_of(role, gpu, instances=instances, gpus=gpus, weights_gib=weights_gib, reserve=reserve)
            for gpu in used
        ]
        totals[role] = max(0.0, min(parts, default=0.0))
    return {
        role: _share(instance, totals[role], gpu_numbers(instance, gpus), by_number, weights_gib)
        for role, instance in instances.items()
    }


def gpu_numbers(instance: InstanceConfig, gpus: tuple[Gpu, ...]) -> tuple[int, ...]:
    """Return the GPUs that a server uses: those it names, else the first one."""
    return instance.gpus or tuple(gpu.number for gpu in gpus[:1])


def _part_of(
    role: Role,
    gpu: Gpu,
    *,
    instances: Mapping[Role, InstanceConfig],
    gpus: tuple[Gpu, ...],
    weights_gib: Mapping[str, float],
    reserve: float,
) -> float:
    if instances[role].memory_gib:
        return instances[role].memory_gib
    here = {other: item for other, item in instances.items() if gpu.number in gpu_numbers(item, gpus)}
    left = gpu.total_gib - reserve - sum(item.memory_gib for item in here.values())
    waiting = {other: item for other, item in here.items() if not item.memory_gib}
    if any(item.model not in weights_gib for item in waiting.values()):
        return left / len(waiting)
    needs = {
        other: weights_gib[item.model] / len(gpu_numbers(item, gpus)) + OVERHEAD_GIB for other, item in waiting.items()
    }
    return needs[role] + (left - sum(needs.values())) / len(needs)


def _share(
    instance: InstanceConfig,
    total: float,
    numbers: tuple[int, ...],
    by_number: Mapping[int, Gpu],
    weights_gib: Mapping[str, float],
) -> Share:
    missing = [number for number in numbers if number not in by_number]
    if missing or not numbers:
        return Share(0.0, 0.0, 0.0, 0.0, f"this machine has no GPU {', '.join(map(str, missing)) or 'at all'}")
    smallest = min(by_number[number].total_gib for number in numbers)
    fraction = int(total / smallest * 1000) / 1000
    known = weights_gib.get(instance.model, 0.0) / len(numbers)
    kv_cache = total - known - OVERHEAD_GIB if known else 0.0
    problem = ""
    if total > smallest:
        problem = f"{total:.1f} GiB is more than the GPU has ({smallest:.1f} GiB)"
    elif known and kv_cache < _LEAST_KV_GIB:
        problem = (
            f"{total:.1f} GiB of a GPU do not hold {known:.1f} GiB of weights, {OVERHEAD_GIB:g} GiB for the work and "
            "a KV cache"
        )
    elif total <= 0:
        problem = "no GPU memory is left for it"
    return Share(total, known, max(0.0, kv_cache), max(0.0, fraction), problem)
