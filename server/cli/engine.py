"""``hearth engine``: plan, start, look at and end the model servers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Any

import attrs
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from server.cli.assembly import allowed_formats
from server.cli.output import print_json
from server.config import HearthConfig, Role, engine_directory, with_launched_servers
from server.engine.launch.facts import find_facts
from server.engine.launch.plan import Instance, Plan, make_plan
from server.engine.launch.supervisor import Running, ServerStatus, State, Supervisor, find_running
from server.errors import EngineUnavailable

_log = logging.getLogger(__name__)

_STYLES = {State.READY: "green", State.STARTING: "yellow", State.WAITING: "red", State.STOPPED: "dim"}
_DOWN_MARGIN_SECONDS = 15.0
_POLL_SECONDS = 0.1


def launched(config: HearthConfig) -> HearthConfig:
    """Return the settings as if ``[engine] launch`` were on: these commands are asked to launch."""
    return attrs.evolve(config, engine=attrs.evolve(config.engine, launch=True))


def show_plan(config: HearthConfig, *, as_json: bool) -> None:
    """Print what would be started, and why so."""
    plan = make_plan(config, find_facts(config, servers_run=_running(config) is not None))
    if as_json:
        print_json(_plan_object(plan))
        return
    console = Console(highlight=False, soft_wrap=True)
    version = f"vLLM {plan.version}" if plan.version else "no vLLM"
    console.print(Text(f"{version} in {plan.python}, on the {'GPU' if plan.device == 'cuda' else 'CPU'}"))
    for gpu in plan.gpus:
        line = f"GPU {gpu.number}: {gpu.name}, {gpu.total_gib:.1f} GiB, {gpu.used_gib:.1f} GiB in use now"
        console.print(Text(f"{line}; {plan.reserve_gib:g} GiB are left for FAISS and others"))
    if not plan.instances:
        console.print(Text("\nNo model is given: set `model` in [engine.launcher.completion] of hearth.toml."))
    for instance in plan.instances:
        _print_instance(console, instance)
    for warning in plan.warnings:
        console.print(Text.assemble(("\nwarning", "bold yellow"), f": {warning}"))
    for problem in plan.problems:
        console.print(Text.assemble(("\nproblem", "bold red"), f": {problem}"))


def run_servers(config: HearthConfig) -> None:
    """Start the servers and keep them up until interrupted.

    Raises:
        ConfigError: As :func:`require_plan`.
        EngineRefused: As :func:`require_plan`.
        EngineUnavailable: There is nothing to start, no vLLM, or another process runs them.
    """
    asyncio.run(_up(config, require_plan(config)))


def require_plan(config: HearthConfig) -> Plan:
    """Return a plan that can be run. Asks other programs, so call it off the event loop.

    Raises:
        ConfigError: A file of models has a problem.
        EngineRefused: The licence of a model is not allowed.
        EngineUnavailable: There is nothing to start, or something that it needs is missing.
    """
    # As every command that would ask it: a model that may not be used is not even started.
    allowed_formats(with_launched_servers(config))
    facts = find_facts(config, servers_run=_running(config) is not None)
    plan = make_plan(config, facts)
    if not plan.instances:
        raise EngineUnavailable(
            "No model is given to start a server for",
            advice="Set `model` in [engine.launcher.completion] of hearth.toml to a directory or a name.",
        )
    if facts.installation.problem:
        raise EngineUnavailable(
            f"vLLM cannot be started: {facts.installation.problem}",
            advice="Install it in an environment of its own (docs/vllm.md) and name that environment's `python` in "
            "[engine.launcher] of hearth.toml.",
        )
    if plan.problems:
        raise EngineUnavailable(
            f"The model servers cannot be started as planned: {plan.problems[0]}",
            advice="`hearth engine plan` shows everything; the settings are in [engine.launcher] of hearth.toml.",
        )
    return plan


@contextlib.asynccontextmanager
async def launched_servers(config: HearthConfig) -> AsyncIterator[None]:
    """Run the model servers for the length of a context when ``[engine] launch`` is on, unless they run already.

    Raises:
        EngineUnavailable: As :func:`require_plan`.
    """
    directory = engine_directory(config.data.directory)
    if not config.engine.launch:
        yield
    elif (running := await asyncio.to_thread(find_running, directory)) is not None:
        _log.warning("the model servers are those that process %d runs", running.pid)
        yield
    else:
        plan = await asyncio.to_thread(require_plan, config)
        async with Supervisor(plan, config.engine.launcher):
            yield


def show_status(config: HearthConfig, *, as_json: bool) -> int:
    """Print the servers as their supervisor sees them; return 0 when all are ready and 1 otherwise."""
    running = _running(config)
    if as_json:
        servers = [asdict(item) for item in running.servers] if running else []
        print_json({"running": running is not None, "pid": running.pid if running else 0, "servers": servers})
    elif running is None:
        sys.stdout.write("No model servers run here. `hearth engine up` starts them.\n")
    else:
        sys.stdout.write(f"Process {running.pid} runs them.\n")
        console = Console(width=None if sys.stdout.isatty() else 400)
        console.print(_table({item.role: item for item in running.servers}))
        for item in running.servers:
            if item.state is not State.READY:
                console.print(Text(f"The log for {item.role.value} is {item.log}"), soft_wrap=True)
    ready = running is not None and all(item.state is State.READY for item in running.servers)
    return 0 if ready else 1


def end_servers(config: HearthConfig) -> None:
    """End the process that runs the servers, and wait until it is gone.

    Raises:
        EngineUnavailable: It does not end.
    """
    directory = engine_directory(config.data.directory)
    running = find_running(directory)
    if running is None:
        sys.stdout.write("No model servers run here.\n")
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + config.engine.launcher.stop_seconds + _DOWN_MARGIN_SECONDS
    while _same(find_running(directory), running):
        if time.monotonic() >= deadline:
            raise EngineUnavailable(
                f"Process {running.pid}, which runs the model servers, does not end",
                advice="See its output, or kill it.",
            )
        time.sleep(_POLL_SECONDS)
    sys.stdout.write("The model servers have ended.\n")


def _running(config: HearthConfig) -> Running | None:
    return find_running(engine_directory(config.data.directory))


def _same(now: Running | None, before: Running) -> bool:
    return now is not None and now.pid == before.pid


async def _up(config: HearthConfig, plan: Plan) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    console = Console(stderr=True, highlight=False)
    shown: dict[Role, ServerStatus] = {}
    with contextlib.ExitStack() as display:
        live = display.enter_context(Live(console=console, auto_refresh=False)) if console.is_terminal else None

        def show(status: ServerStatus) -> None:
            before = shown.get(status.role)
            shown[status.role] = status
            if live is not None:
                live.update(_table(shown), refresh=True)
            elif before is None or before.state is not status.state:
                detail = f": {status.detail}" if status.detail else ""
                console.print(Text(f"{status.role.value}: {status.state.value}{detail}"), soft_wrap=True)

        async with Supervisor(plan, config.engine.launcher, on_change=show):
            await stop.wait()
            if live is None:
                console.print("ending the model servers")


def _print_instance(console: Console, instance: Instance) -> None:
    what = f"{instance.role.value} and explanation" if instance.also_explains else instance.role.value
    console.print(Text.assemble("\n", (what, "bold"), f": {instance.name} at {instance.address}"))
    if (share := instance.share) is not None:
        known = f": {share.weights:.1f} weights, {share.kv_cache:.1f} KV cache" if share.weights else ""
        where = ", ".join(map(str, instance.gpus))
        console.print(Text(f"  {share.total:.1f} GiB of GPU {where}{known}"))
    console.print(Text(f"  log: {instance.log}"))
    console.print(Text(f"  {shlex.join(instance.program)}"))
    for flag in instance.flags:
        console.print(Text.assemble(f"    {shlex.join(flag.arguments)}", (f"  # {flag.reason}", "dim")))
    for name, value in instance.environment.items():
        console.print(Text(f"  {name}={shlex.quote(value)}"))
    if instance.left_out:
        console.print(Text(f"  left out, because this vLLM does not know them: {', '.join(instance.left_out)}"))


def _plan_object(plan: Plan) -> dict[str, Any]:
    return {
        "device": plan.device,
        "python": plan.python,
        "vllm": plan.version,
        "reserve_gib": plan.reserve_gib,
        "gpus": [asdict(gpu) for gpu in plan.gpus],
        "instances": [
            {
                "role": item.role.value,
                "also_explains": item.also_explains,
                "model": item.model,
                "name": item.name,
                "address": item.address,
                "command": list(item.command),
                "flags": [{"arguments": list(flag.arguments), "reason": flag.reason} for flag in item.flags],
                "environment": item.environment,
                "gpus": list(item.gpus),
                "memory_gib": asdict(item.share) if item.share else None,
                "log": str(item.log),
                "left_out": list(item.left_out),
            }
            for item in plan.instances
        ],
        "problems": list(plan.problems),
        "warnings": list(plan.warnings),
    }


def _table(statuses: Mapping[Role, ServerStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("server", "state", "model", "address", "process", "starts", "since", ""):
        table.add_column(heading)
    for item in statuses.values():
        since = time.strftime("%H:%M:%S", time.localtime(item.since)) if item.since else ""
        state = Text(item.state.value, style=_STYLES[item.state])
        pid = str(item.pid) if item.pid else ""
        table.add_row(item.role.value, state, item.name, item.address, pid, str(item.starts), since, Text(item.detail))
    return table
