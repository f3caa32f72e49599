"""The settings of the Hearth that is measured, and the files that hold them."""

from __future__ import annotations

import argparse
from pathlib import Path

import attrs

from server.config import EngineConfig, HearthConfig, LogConfig, ModelsConfig, VllmConfig, load
from server.config.reference import toml_lines
from server.types import Rung


def settings_to_measure(options: argparse.Namespace) -> HearthConfig:
    """Return the defaults, or what of ``--config`` concerns completions and the index; the engine is not yet chosen.

    Raises:
        ConfigError: The file has a problem.
    """
    given = load(options.config).config if options.config is not None else HearthConfig()
    # Nothing of another engine is shown until the measured one begins.
    completion = attrs.evolve(given.completion, stand_in=0.0)
    if options.no_debounce:
        completion = attrs.evolve(completion, debounce_ms=0)
    return HearthConfig(
        index=given.index,
        models=given.models,
        completion=completion,
        context=given.context,
        explain=given.explain,
        engine=attrs.evolve(given.engine, launch=False),
    )


def with_engine(config: HearthConfig, options: argparse.Namespace, url: str) -> HearthConfig:
    """Choose the engine: the one at ``url``, alone; without a URL the embedded one."""
    if not url:
        return attrs.evolve(config, engine=EngineConfig(order=(Rung.EMBEDDED,)))
    configured = options.configured_engine
    vllm = attrs.evolve(
        config.engine.vllm if configured else VllmConfig(),
        url=url,
        uds="",
        teams={},
        cache_salt_key_env="",
        use_proxy=False,
        connections=max(64, 2 * options.sessions),
    )
    return attrs.evolve(
        config,
        models=config.models if configured else ModelsConfig(),
        engine=attrs.evolve(config.engine, order=(Rung.VLLM,), vllm=vllm),
    )


def write_settings(config: HearthConfig, folder: Path, name: str) -> Path:
    """Write hearth.toml as ``name`` in ``folder``, with the log beside it, and return its path."""
    logged = attrs.evolve(config, log=LogConfig(file=str(folder / "hearth.log")))
    file = folder / name
    file.write_text("\n".join(toml_lines(logged)) + "\n", encoding="utf-8")
    return file
