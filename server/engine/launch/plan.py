"""From settings and facts to the model servers: each command line with the reason of every flag, environment, memory.

Pure: the same settings and facts give the same plan.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from server.config import (
    GeneratingInstanceConfig,
    HearthConfig,
    InstanceConfig,
    Role,
    engine_directory,
    instance_name,
    launches,
    shares_completion,
    socket_path,
)
from server.engine.launch.facts import Facts, Gpu, files_of
from server.engine.launch.memory import Share, crowded, divide, gpu_numbers
from server.engine.launch.needs import Needs, needs_of, warnings_of

_QUEUE_FACTOR = 4
_LONG_PREFILL_TOKENS = 1024
_BATCHED_TOKENS = 4096
_KEEP_ALIVE_SECONDS = 300
_GIB = 2**30
_SPECULATION = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_min": 2, "prompt_lookup_max": 5}


@dataclass(frozen=True, slots=True)
class Flag:
    """An option of vLLM with its value, and why it is there."""

    arguments: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One model server to run.

    Attributes:
        role: What it is for; ``also_explains`` when it stands in for a chat model's.
        name: What requests ask for.
        program: What its command line begins with; the flags follow.
        environment: Variables that are set for it, on top of those that are passed on.
        uds: Its Unix socket; None when it listens on ``port``.
        port: On the loopback interface; 0 when it has a socket.
        gpus: Numbers of its GPUs; empty on a CPU.
        share: Its part of their memory; None on a CPU.
        log: Where its output goes.
        left_out: Flags that this vLLM does not know, for people.
    """

    role: Role
    also_explains: bool
    model: str
    name: str
    program: tuple[str, ...]
    flags: tuple[Flag, ...]
    environment: dict[str, str]
    uds: Path | None
    port: int
    gpus: tuple[int, ...]
    share: Share | None
    log: Path
    left_out: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.program, *(argument for flag in self.flags for argument in flag.arguments))

    @property
    def address(self) -> str:
        """Where it listens, for people."""
        return f"unix:{self.uds}" if self.uds else f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All model servers that the settings ask for.

    Attributes:
        directory: Holds sockets and the state of whoever runs the plan.
        device: ``"cuda"`` or ``"cpu"``.
        version: Of vLLM; empty when it is not installed.
        problems: What will keep it from working, for people.
        warnings: What may keep it from working, or from working well.
    """

    directory: Path
    device: str
    gpus: tuple[Gpu, ...]
    python: str
    version: str
    reserve_gib: float
    instances: tuple[Instance, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def make_plan(config: HearthConfig, facts: Facts) -> Plan:
    """Say which model servers to run and how."""
    launcher = config.engine.launcher
    device = launcher.device if launcher.device != "auto" else ("cuda" if facts.gpus else "cpu")
    wanted = launches(config)
    needs = needs_of(config, facts)
    memory = {role: need.memory for role, need in needs.items()}
    shares = divide(wanted, facts.gpus, memory, launcher.reserve_gib) if device == "cuda" else {}
    problems = [facts.installation.problem] if facts.installation.problem else []
    problems += [f"{role.value}: {share.problem}" for role, share in shares.items() if share.problem]
    problems += crowded(shares, wanted, facts.gpus, launcher.reserve_gib)
    if device == "cpu":
        problems += [f"{role.value}: {need.cpu_problem}" for role, need in needs.items() if need.cpu_problem]
    problems += [
        f"{role.value}: {_absence(name)}"
        for role, settings in wanted.items()
        for name in files_of(settings)
        if name in facts.absent
    ]
    ports = [instance.port for instance in wanted.values() if instance.port]
    problems += [f"port {port} is given to two servers" for port in sorted(set(ports)) if ports.count(port) > 1]
    instances = tuple(
        _instance(config, facts, role, settings, needs=needs[role], share=shares.get(role))
        for role, settings in wanted.items()
    )
    return Plan(
        engine_directory(config.data.directory),
        device,
        facts.gpus,
        facts.installation.python,
        facts.installation.version,
        launcher.reserve_gib,
        instances,
        tuple(problems),
        tuple(warnings_of(config, facts, needs, shares)),
    )


def _absence(name: str) -> str:
    if Path(name).is_absolute():
        return f"there is no model in {name}: the directory does not exist, or has no config.json"
    return (
        f"{name} is not on this machine, and nothing is downloaded; fetch it first (`hf download {name}`), or set "
        "`offline = false` in [engine.launcher]"
    )


def _instance(
    config: HearthConfig,
    facts: Facts,
    role: Role,
    settings: InstanceConfig,
    *,
    needs: Needs,
    share: Share | None,
) -> Instance:
    also_explains = role is Role.COMPLETION and shares_completion(config)
    uds = None if settings.port else socket_path(config.data.directory, role)
    gpus = gpu_numbers(settings, facts.gpus) if share is not None else ()
    flags = [
        *_identity(settings, serves=facts.installation.serves),
        *_address(settings, uds),
        *_size(role, settings, needs),
        *_speed(role, settings, also_explains=also_explains),
        *_memory(share, gpus),
        *_adapters(settings),
        Flag(("--disable-uvicorn-access-log",), "one line for each request would only fill the log"),
    ]
    if role is Role.EMBEDDINGS:
        flags.append(Flag(("--runner", "pooling"), "it returns vectors, not text"))
    ours, left_out = _known(flags, settings, facts.installation.options)
    if settings.extra_arguments:
        ours.append(Flag(settings.extra_arguments, "from `extra_arguments`"))
    return Instance(
        role=role,
        also_explains=also_explains,
        model=settings.model,
        name=instance_name(settings),
        program=_program(facts, settings),
        flags=tuple(ours),
        environment=_environment(config, needs, gpus),
        uds=uds,
        port=settings.port,
        gpus=gpus,
        share=share,
        log=config.data.directory / "logs" / f"vllm-{role.value}.log",
        left_out=tuple(left_out),
    )


def _program(facts: Facts, settings: InstanceConfig) -> tuple[str, ...]:
    python = facts.installation.python
    if facts.installation.serves:
        return (python, "-m", "vllm.entrypoints.cli.main", "serve", settings.model)
    # A build under another name, as for a CPU, lacks the metadata that `vllm serve` looks for.
    return (python, "-m", "vllm.entrypoints.openai.api_server")


def _identity(settings: InstanceConfig, *, serves: bool) -> list[Flag]:
    model = [] if serves else [Flag(("--model", settings.model), "the model")]
    return [*model, Flag(("--served-model-name", instance_name(settings)), "what requests ask for")]


def _address(settings: InstanceConfig, uds: Path | None) -> list[Flag]:
    if uds is not None:
        return [Flag(("--uds", str(uds)), "a socket that only you can open; nothing listens on the network")]
    return [
        Flag(("--host", "127.0.0.1"), "this machine only: vLLM's own key leaves several routes open"),
        Flag(("--port", str(settings.port)), "from `port`"),
    ]


def _size(role: Role, settings: InstanceConfig, needs: Needs) -> list[Flag]:
    flags: list[Flag] = []
    if needs.length:
        flags.append(Flag(("--max-model-len", str(needs.length)), needs.length_reason))
    flags.append(Flag(("--max-num-seqs", str(settings.max_num_seqs)), "how many requests share one step"))
    if role is not Role.EMBEDDINGS:
        queue = str(settings.max_num_seqs * _QUEUE_FACTOR)
        flags.append(
            Flag(("--max-num-queued-reqs", queue), "under more load answer 503 at once: a late suggestion is no use")
        )
    return flags


def _speed(role: Role, settings: InstanceConfig, *, also_explains: bool) -> list[Flag]:
    if role is Role.EMBEDDINGS:
        return []
    flags = [
        Flag(("--performance-mode", "interactivity"), "the first token soon, rather than many tokens in all"),
        Flag(("--max-num-batched-tokens", str(_BATCHED_TOKENS)), "long prompts go in pieces, so that nobody waits"),
        Flag(("--scheduling-policy", "priority"), "what a developer waits for goes before what is fetched ahead"),
    ]
    if also_explains and (settings.max_model_len or _LONG_PREFILL_TOKENS + 1) > _LONG_PREFILL_TOKENS:
        flags.append(
            Flag(("--long-prefill-token-threshold", str(_LONG_PREFILL_TOKENS)),
                 "the long prompts of explanations leave room for completions")
        )  # fmt: skip
    if isinstance(settings, GeneratingInstanceConfig) and settings.speculative:
        flags.append(
            Flag(("--speculative-config", json.dumps(_SPECULATION, separators=(",", ":"))),
                 "code repeats its prompt: guessed tokens cost nothing to check")
        )  # fmt: skip
    return flags


def _memory(share: Share | None, gpus: tuple[int, ...]) -> list[Flag]:
    if share is None:
        return [Flag(("--enforce-eager",), "on a CPU compiling the model takes longer than it saves, and a compiler")]
    flags = [
        Flag(("--gpu-memory-utilization", f"{share.fraction:.3f}"),
             f"{share.total:.1f} GiB of each GPU, so that FAISS and the other servers have theirs")
    ]  # fmt: skip
    if share.kv_cache > 0:
        reason = f"what {share.weights:.1f} GiB of weights and the work leave, exactly, whoever starts first"
        flags.append(Flag(("--kv-cache-memory-bytes", str(int(share.kv_cache * _GIB))), reason))
    if len(gpus) > 1:
        flags.append(Flag(("--tensor-parallel-size", str(len(gpus))), "spread over the GPUs in `gpus`"))
    return flags


def _adapters(settings: InstanceConfig) -> list[Flag]:
    if not isinstance(settings, GeneratingInstanceConfig) or not settings.lora:
        return []
    modules = tuple(f"{name}={path}" for name, path in settings.lora.items())
    return [
        Flag(("--enable-lora",), "for the adapters in `lora`"),
        Flag(("--max-loras", str(len(modules))), "all of them in one step, so that teams do not wait for each other"),
        Flag(("--max-lora-rank", str(settings.max_lora_rank)), "from `max_lora_rank`"),
        Flag(("--lora-modules", *modules), "name and directory of each adapter"),
    ]


def _known(flags: list[Flag], settings: InstanceConfig, options: frozenset[str]) -> tuple[list[Flag], list[str]]:
    """Drop the flags that the settings replace, and those that this vLLM does not know yet or any more."""
    replaced = {item.partition("=")[0] for item in settings.extra_arguments}
    kept: list[Flag] = []
    left_out: list[str] = []
    for flag in flags:
        if flag.arguments[0] in replaced:
            continue
        if options and flag.arguments[0].removeprefix("--") not in options:
            left_out.append(flag.arguments[0])
        else:
            kept.append(flag)
    return kept, left_out


def _environment(config: HearthConfig, needs: Needs, gpus: tuple[int, ...]) -> dict[str, str]:
    values = {
        "VLLM_MAX_N_SEQUENCES": "4",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": str(_KEEP_ALIVE_SECONDS),
        "VLLM_CACHE_ROOT": str(config.data.directory / "vllm-cache"),
        "VLLM_PLUGINS": "",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus)),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    if config.engine.launcher.offline:
        values["HF_HUB_OFFLINE"] = "1"
    if not gpus:
        values["VLLM_CPU_KVCACHE_SPACE"] = str(needs.cpu_cache_gib)
    return values
