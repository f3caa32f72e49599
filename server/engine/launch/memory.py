"""How the memory of GPUs is divided among the model servers, FAISS and everything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.config import InstanceConfig, Role
from server.engine.launch.facts import Gpu

OVERHEAD_GIB = 2.0
"""What a server takes on each GPU beyond weights and KV cache: CUDA's context and graphs, activations. An estimate on
the safe side for models of up to some 30 billion parameters at the batch sizes used here."""

_ROUNDING_GIB = 0.05


@dataclass(frozen=True, slots=True)
class Need:
    """What one server needs in all, in GiB.

    Attributes:
        weights: 0.0 when their size is not known.
        kv_cache: The least that keeps prompts, with which the server just starts.
    """

    weights: float
    kv_cache: float


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
    instances: Mapping[Role, InstanceConfig], gpus: tuple[Gpu, ...], needs: Mapping[Role, Need], reserve: float
) -> dict[Role, Share]:
    """Give each server its share: what its settings say, else what it needs and a part of what is left.

    What is left goes to the servers that write, in equal parts: more prompts than one are of little use to embeddings.
    """
    by_number = {gpu.number: gpu for gpu in gpus}
    totals: dict[Role, float] = {}
    for role, instance in instances.items():
        used = [by_number[number] for number in gpu_numbers(instance, gpus) if number in by_number]
        parts = [_part_of(role, gpu, instances=instances, gpus=gpus, needs=needs, reserve=reserve) for gpu in used]
        totals[role] = max(0.0, min(parts, default=0.0))
    return {
        role: _share(instance, totals[role], gpu_numbers(instance, gpus), by_number, needs[role])
        for role, instance in instances.items()
    }


def gpu_numbers(instance: InstanceConfig, gpus: tuple[Gpu, ...]) -> tuple[int, ...]:
    """Return the GPUs that a server uses: those it names, else the first one."""
    return instance.gpus or tuple(gpu.number for gpu in gpus[:1])


def crowded(
    shares: Mapping[Role, Share], instances: Mapping[Role, InstanceConfig], gpus: tuple[Gpu, ...], reserve: float
) -> list[str]:
    """Say of each GPU that is too small what takes how much of it, and what helps."""
    problems: list[str] = []
    for gpu in gpus:
        here = {role: share.total for role, share in shares.items() if gpu.number in gpu_numbers(instances[role], gpus)}
        missing = sum(here.values()) + reserve - gpu.total_gib
        if here and missing > _ROUNDING_GIB:
            taken = _listed(f"{role.value} {total:.1f} GiB" for role, total in here.items())
            problems.append(
                f"GPU {gpu.number} has {gpu.total_gib:.1f} GiB, {missing:.1f} GiB too little for {taken} and the "
                f"{reserve:g} GiB of `reserve_gib`; smaller or quantized models help, another GPU (`gpus`), or one "
                "model for completions and explanations"
            )
    return problems


def _part_of(
    role: Role,
    gpu: Gpu,
    *,
    instances: Mapping[Role, InstanceConfig],
    gpus: tuple[Gpu, ...],
    needs: Mapping[Role, Need],
    reserve: float,
) -> float:
    if instances[role].memory_gib:
        return instances[role].memory_gib
    here = {other: item for other, item in instances.items() if gpu.number in gpu_numbers(item, gpus)}
    left = gpu.total_gib - reserve - sum(item.memory_gib for item in here.values())
    waiting = {other: item for other, item in here.items() if not item.memory_gib}
    if any(not needs[other].weights for other in waiting):
        return left / len(waiting)
    least = {
        other: (needs[other].weights + needs[other].kv_cache) / len(gpu_numbers(item, gpus)) + OVERHEAD_GIB
        for other, item in waiting.items()
    }
    writing = [other for other in waiting if other is not Role.EMBEDDINGS]
    more = max(0.0, left - sum(least.values())) / len(writing) if role in writing else 0.0
    return least[role] + more


def _share(
    instance: InstanceConfig, total: float, numbers: tuple[int, ...], by_number: Mapping[int, Gpu], need: Need
) -> Share:
    missing = [number for number in numbers if number not in by_number]
    if missing or not numbers:
        return Share(0.0, 0.0, 0.0, 0.0, f"this machine has no GPU {', '.join(map(str, missing)) or 'at all'}")
    smallest = min(by_number[number].total_gib for number in numbers)
    fraction = min(1.0, int(total / smallest * 1000) / 1000)
    weights, least = need.weights / len(numbers), need.kv_cache / len(numbers)
    kv_cache = total - weights - OVERHEAD_GIB if weights else 0.0
    problem = ""
    if instance.memory_gib and total > smallest:
        problem = f"{total:.1f} GiB is more than the GPU has ({smallest:.1f} GiB)"
    elif weights and kv_cache < least - _ROUNDING_GIB:
        problem = (
            f"{total:.1f} GiB of a GPU do not hold {weights:.1f} GiB of weights, {OVERHEAD_GIB:g} GiB for the work and "
            f"{least:.1f} GiB for one prompt of the full length"
        )
    elif total <= 0:
        problem = "no GPU memory is left for it"
    return Share(total, weights, max(0.0, kv_cache), max(0.0, fraction), problem)


def _listed(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
