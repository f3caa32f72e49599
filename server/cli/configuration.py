"""``hearth config check`` and ``hearth config show``."""

from __future__ import annotations

import sys
from pathlib import Path

from server.cli.output import print_json
from server.config import ConfigProblem, HearthConfig, check, effective, find, load, read, with_launched_servers
from server.config.reference import toml_lines
from server.errors import ConfigError, EngineRefused
from server.prompt import FormatRegistry
from server.types import Rung


def check_file(explicit: Path | None, *, as_json: bool) -> int:
    """Print every problem of the configuration file in force; return the exit code."""
    file = find(explicit)
    problems: tuple[ConfigProblem, ...] = ()
    if file is not None:
        config, problems = check(file)
        if config is not None:
            problems = model_problems(config, file)
    if as_json:
        print_json(
            {
                "file": str(file) if file else None,
                "problems": [
                    {"line": item.line, "key": item.key, "message": item.message, "advice": item.advice}
                    for item in problems
                ],
            }
        )
    elif file is None:
        sys.stdout.write("There is no hearth.toml; every setting has its default.\n")
    elif not problems:
        sys.stdout.write(f"{file}: no problems\n")
    for problem in problems if not as_json else ():
        sys.stdout.write(f"{problem}\n")
        if problem.advice:
            sys.stdout.write(f"  {problem.advice}\n")
    return ConfigError.exit_code if problems else 0


def model_problems(config: HearthConfig, file: Path) -> tuple[ConfigProblem, ...]:
    """Return what is wrong with the files of models, and with the licences of the models that ``file`` names."""
    config = with_launched_servers(config)
    registry, problems = FormatRegistry.check(config.models)
    if not problems and Rung.VLLM in config.engine.order and config.engine.vllm.configured:
        try:
            registry.require_configured_allowed(config.engine.vllm)
        except EngineRefused as error:
            document, _ = read(file)
            if document is not None:
                return (document.problem(("models", "allowed_licences"), error.message, error.advice),)
    return problems


def show(explicit: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Print all settings in force.

    Raises:
        server.errors.ConfigError: The file has a problem.
    """
    loaded = load(explicit, data=data)
    if as_json:
        print_json({"file": str(loaded.file) if loaded.file else None, "settings": effective(loaded.config)})
        return
    sys.stdout.write(f"# {loaded.file or 'No hearth.toml; these are the defaults.'}\n")
    for line in toml_lines(loaded.config):
        sys.stdout.write(line + "\n")
