"""Where the model servers that Hearth launches are found: worked out from the settings alone, by every command."""

from __future__ import annotations

import enum
import hashlib
import os
from pathlib import Path, PurePosixPath

import attrs

from server.config.launcher import InstanceConfig
from server.config.settings import HearthConfig

_MAX_SOCKET_PATH = 100
"""Bytes; the kernel's own limit is 107."""


class Role(enum.StrEnum):
    """What a model server is for."""

    COMPLETION = "completion"
    EXPLANATION = "explanation"
    EMBEDDINGS = "embeddings"


def launches(config: HearthConfig) -> dict[Role, InstanceConfig]:
    """Return the settings of each server to start; a role that shares another's server is left out.

    Of a model that explains in the same server the adapters are there as well.
    """
    launcher = config.engine.launcher
    instances: dict[Role, InstanceConfig] = {}
    if launcher.completion.model:
        instances[Role.COMPLETION] = launcher.completion
        if launcher.explanation.lora and shares_completion(config):
            instances[Role.COMPLETION] = attrs.evolve(
                launcher.completion,
                lora={**launcher.explanation.lora, **launcher.completion.lora},
                max_lora_rank=max(launcher.completion.max_lora_rank, launcher.explanation.max_lora_rank),
            )
    if launcher.explanation.model and not shares_completion(config):
        instances[Role.EXPLANATION] = launcher.explanation
    if launcher.embeddings.model:
        instances[Role.EMBEDDINGS] = launcher.embeddings
    return instances


def shares_completion(config: HearthConfig) -> bool:
    """Say whether the completion model's server explains too: no chat model is given, or it is the same one."""
    completion, explanation = config.engine.launcher.completion, config.engine.launcher.explanation
    if not completion.model:
        return False
    return not explanation.model or (
        explanation.model == completion.model and explanation.gpus == completion.gpus and not explanation.port
    )


def instance_name(instance: InstanceConfig) -> str:
    """Return the name that requests ask for."""
    return instance.name or PurePosixPath(instance.model.rstrip("/")).name


def engine_directory(data: Path) -> Path:
    """Return the directory of the sockets: in the data directory, unless its path is too long for a socket."""
    directory = data.absolute() / "engine"
    if len(os.fsencode(directory / f"{Role.EXPLANATION}.sock")) <= _MAX_SOCKET_PATH:
        return directory
    key = hashlib.blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    # Not $TMPDIR, which differs between a service and its users' shells. Whoever makes it checks whose it is.
    return Path("/tmp") / f"hearth-{os.getuid()}-{key}"  # noqa: S108  # see the line above  # nosec B108


def socket_path(data: Path, role: Role) -> Path:
    """Return the Unix socket that a server of this role listens on when it has no port."""
    return engine_directory(data) / f"{role.value}.sock"


def with_launched_servers(config: HearthConfig) -> HearthConfig:
    """Return the settings with the addresses and names of the launched servers where none are given.

    Without ``[engine] launch`` they are returned as they are.
    """
    if not config.engine.launch:
        return config
    data, launcher, vllm, embedder = (
        config.data.directory, config.engine.launcher, config.engine.vllm, config.index.embedder,
    )  # fmt: skip
    if launcher.completion.model and not vllm.configured:
        url, uds = _address(data, Role.COMPLETION, launcher.completion)
        vllm = attrs.evolve(vllm, url=url, uds=uds, model=vllm.model or instance_name(launcher.completion))
    if launcher.explanation.model and not shares_completion(config) and not (vllm.chat_url or vllm.chat_uds):
        url, uds = _address(data, Role.EXPLANATION, launcher.explanation)
        name = vllm.chat_model or instance_name(launcher.explanation)
        vllm = attrs.evolve(vllm, chat_url=url, chat_uds=uds, chat_model=name)
    if launcher.embeddings.model and not embedder.configured:
        url, uds = _address(data, Role.EMBEDDINGS, launcher.embeddings)
        embedder = attrs.evolve(embedder, url=url, uds=uds, model=embedder.model or instance_name(launcher.embeddings))
    return attrs.evolve(
        config,
        engine=attrs.evolve(config.engine, vllm=vllm),
        index=attrs.evolve(config.index, embedder=embedder),
    )


def _address(data: Path, role: Role, instance: InstanceConfig) -> tuple[str, str]:
    if instance.port:
        return f"http://127.0.0.1:{instance.port}", ""
    return "", str(socket_path(data, role))
