"""``hearth doctor``."""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import attrs
from rich.console import Console
from rich.text import Text

from indexer.cli_doctor import Finding, Level, examine, examine_index, examine_libraries
from indexer.errors import ConfigError, CredentialMissing
from server.accounts.store import FILE_NAME as ACCOUNTS
from server.cli.assembly import allowed_formats, make_vllm
from server.cli.configuration import model_problems
from server.cli.doctor_data import examine_data_files
from server.cli.doctor_server import examine_certificate_files, examine_downloads
from server.cli.output import print_json
from server.cli.provider import open_provider
from server.cli.traces import open_traces
from server.config import (
    DataConfig,
    HearthConfig,
    TracingConfig,
    VllmConfig,
    check,
    default_data_directory,
    find,
    with_launched_servers,
)
from server.errors import ProviderUnavailable
from server.prompt import Commercial, FimFormat, FormatRegistry, ModelPrompts
from server.types import EngineHealth, Rung

_OLDEST_PYTHON = (3, 11)
_MARKS = {Level.OK: ("ok  ", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "bold red")}


def examine_installation(explicit_config: Path | None, data: Path | None, *, as_json: bool) -> int:
    """Look at everything Hearth needs, print each finding as it is made, and return the exit code.

    A configuration with mistakes is one finding; the rest is then examined with the default settings.
    """
    console = Console(highlight=False)
    findings: list[Finding] = []
    for finding in _findings(explicit_config, data):
        findings.append(finding)
        if not as_json:
            _print(console, finding)
    failures = sum(finding.level is Level.FAIL for finding in findings)
    warnings = sum(finding.level is Level.WARN for finding in findings)
    if as_json:
        checks = [
            {"level": item.level.value, "name": item.name, "message": item.message, "advice": item.advice}
            for item in findings
        ]
        print_json({"ok": not failures, "failures": failures, "warnings": warnings, "checks": checks})
    else:
        verdict = "Everything works." if not failures else f"{failures} of {len(findings)} checks failed."
        noted = f" {warnings} warning{'s' if warnings > 1 else ''}." if warnings else ""
        console.print(f"\n{verdict}{noted}")
    return 1 if failures else 0


def _findings(explicit_config: Path | None, data: Path | None) -> Iterator[Finding]:
    yield from _versions()
    config = HearthConfig()
    try:
        file = find(explicit_config)
        found, problems = check(file) if file else (config, ())
    except ConfigError as error:
        yield Finding(Level.FAIL, "configuration", error.message, error.advice)
    else:
        if found is not None and file:
            problems = model_problems(found, file)
        for problem in problems:
            yield Finding(Level.FAIL, "configuration", str(problem), problem.advice)
        if found is not None:
            if data is not None:
                found = attrs.evolve(found, data=DataConfig(data.absolute()))
            config = with_launched_servers(found)
        if not problems:
            yield Finding(Level.OK, "configuration", str(file) if file else "no hearth.toml; defaults are in force")
    yield from examine_libraries()
    directory = (data or config.data.directory or default_data_directory()).absolute()
    yield from examine_index(directory, config.index)
    yield from examine("data files", lambda: examine_data_files(directory))
    yield from examine("model server", lambda: _model_server(config))
    yield from examine("chat model", lambda: _chat_model(config))
    # Whoever works alone has neither accounts nor a certificate.
    if config.server.tls.certificate or (directory / ACCOUNTS).exists():
        yield from examine("certificate", lambda: examine_certificate_files(config.server))
        yield from examine("downloads", lambda: examine_downloads(directory / "downloads"))
    if config.server.oidc.configured:
        yield from examine("provider", lambda: _provider(config))
    if config.tracing.endpoint:
        yield from examine("traces", lambda: _traces(config.tracing))


def _versions() -> Iterator[Finding]:
    text = f"Hearth {version('hearth')}, Python {platform.python_version()} ({sys.executable}), {platform.platform()}"
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding(Level.FAIL, "version", text, "Install Python 3.11 or later and Hearth in it.")
    else:
        yield Finding(Level.OK, "version", text)
    parts = ("pygls", "lsprotocol", "tree-sitter", "aiohttp")
    yield Finding(Level.OK, "libraries", ", ".join(f"{name} {version(name)}" for name in parts))
    charts = f"plotly {version('plotly')}" if find_spec("plotly") else "none: pages show tables (pip install plotly)"
    yield Finding(Level.OK, "charts", charts)


def _model_server(config: HearthConfig) -> Iterator[Finding]:
    name = "model server"
    settings = config.engine.vllm
    if Rung.VLLM not in config.engine.order or not settings.configured:
        yield Finding(Level.OK, name, "none configured; completions come from the embedded engine")
        return
    prompts = ModelPrompts(allowed_formats(config), config)
    health, tokens = asyncio.run(_health(config, prompts))
    if not health.available:
        yield Finding(
            Level.FAIL,
            name,
            health.detail,
            health.advice
            or "Start it, or correct [engine.vllm] in hearth.toml; until then the embedded engine stands in.",
        )
        return
    yield Finding(Level.OK, name, f"{health.detail} with {health.model}")
    yield from _team_models(health, "[engine.vllm.teams]")
    yield from _family(prompts.family(health.model), health.model)
    counted = tokens.startswith("tokens are counted")
    yield Finding(
        Level.OK if counted else Level.WARN,
        "tokenizer",
        tokens,
        "Set `tokenizer` in [engine.vllm] of hearth.toml; until then prompts are text, with room to spare.",
    )


def _chat_model(config: HearthConfig) -> Iterator[Finding]:
    """Look at what explains, where that is not simply the model of completions."""
    settings = config.engine.vllm
    separate = bool(settings.chat_url or settings.chat_uds)
    if Rung.VLLM not in config.engine.order or not settings.configured:
        return
    if not separate and not settings.chat_model and not settings.chat_teams:
        return
    asked = attrs.evolve(
        settings,
        url=settings.chat_url if separate else settings.url,
        uds=settings.chat_uds if separate else settings.uds,
        model=settings.chat_model or ("" if separate else settings.model),
        teams=settings.chat_teams,
    )
    health = asyncio.run(_chat_health(config, asked))
    if not health.available:
        yield Finding(
            Level.FAIL,
            "chat model",
            health.detail,
            "Start it, or correct `chat_url` and `chat_model` in [engine.vllm] of hearth.toml; until then explanations "
            "hold the facts of the index alone.",
        )
        return
    yield Finding(Level.OK, "chat model", f"{health.detail} with {health.model}")
    yield from _team_models(health, "[engine.vllm.chat_teams]")


def _team_models(health: EngineHealth, table: str) -> Iterator[Finding]:
    if health.missing_models:
        yield Finding(
            Level.WARN,
            "team models",
            f"the model server does not list {', '.join(health.missing_models)}",
            f"Load them as LoRA adapters, or correct {table} in hearth.toml; until then those teams get the default "
            "model.",
        )


def _provider(config: HearthConfig) -> Iterator[Finding]:
    async def check() -> None:
        provider = open_provider(config.server)
        if provider is not None:
            try:
                await provider.check()
            finally:
                await provider.close()

    try:
        asyncio.run(check())
    except (ConfigError, CredentialMissing, ProviderUnavailable) as error:
        yield Finding(Level.FAIL, "provider", error.message, error.advice)
    else:
        yield Finding(Level.OK, "provider", f"people sign in at {config.server.oidc.issuer}")


def _traces(config: TracingConfig) -> Iterator[Finding]:
    open_traces(config).close()
    yield Finding(Level.OK, "traces", f"they go to {config.endpoint}")


def _family(found: FimFormat, model: str) -> Iterator[Finding]:
    yield Finding(Level.OK, "prompt format", f"{found.name} ({found.licence})")
    if found.commercial is not Commercial.YES:
        permits = {"no": "does not permit", "limited": "limits"}.get(found.commercial.value, "may not permit")
        yield Finding(
            Level.WARN,
            "licence",
            f"{found.licence} {permits} commercial use of {model}",
            f"Read it before you go on. {found.notes} [models] allowed_licences says which licences may be used.",
        )


async def _health(config: HearthConfig, prompts: ModelPrompts) -> tuple[EngineHealth, str]:
    """Ask the model server; return what it says, and how tokens of its model are counted."""
    engine = make_vllm(config, prompts)
    try:
        health = await engine.health()
        return health, await prompts.tokens_detail(health.model) if health.available else ""
    finally:
        await engine.close()


async def _chat_health(config: HearthConfig, settings: VllmConfig) -> EngineHealth:
    """Ask the server of a chat model, as if it were that of completions."""
    from server.engine.vllm import VllmEngine  # noqa: PLC0415  # as in the assembly: most have no model server

    prompts = ModelPrompts(FormatRegistry.load(config.models), config)
    engine = VllmEngine(
        settings, config.explain, write_prompt=prompts.write, write_explanation=prompts.write_explanation
    )
    try:
        return await engine.health()
    finally:
        await engine.close()


def _print(console: Console, finding: Finding) -> None:
    mark, style = _MARKS[finding.level]
    console.print(Text.assemble((mark, style), f"  {finding.name}: {finding.message}"), soft_wrap=True)
    if finding.level is not Level.OK and finding.advice:
        console.print(Text(f"      {finding.advice}", style="dim"), soft_wrap=True)
