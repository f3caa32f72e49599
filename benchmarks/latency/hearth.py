"""Hearth as the benchmark starts it: ``hearth lsp`` over pipes, or ``hearth serve`` over WebSockets."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.editor import VSCODE_CAPABILITIES, Editor, connect_editor, open_editor

LSP = "lsp"
SERVE = "serve"
HEARTH = str(Path(sys.executable).with_name("hearth"))
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunningHearth:
    """Editors that are connected to one Hearth, one for each typing session where the path has connections."""

    editors: Sequence[Editor]
    metrics_url: str = ""
    process_id: int = 0
    """Of the team server; 0 for a language server."""

    async def status(self) -> dict[str, Any]:
        """Return the answer to ``hearth/status``."""
        answer: dict[str, Any] = await self.editors[0].request("hearth/status", {})
        return answer

    async def counters(self) -> dict[str, float]:
        """Return Hearth's own counters by name and labels; empty where it does not tell them."""
        if not self.metrics_url:
            return {name: float(value) for name, value in (await self.status()).get("counters", {}).items()}
        async with aiohttp.ClientSession() as http, http.get(self.metrics_url) as response:
            text = await response.text() if response.ok else ""
        return {name: float(value) for name, value in re.findall(r"^(hearth_\S+) (\S+)$", text, re.M)}


@asynccontextmanager
async def running_hearth(
    path: str, folder: Path, sessions: int, arguments: Sequence[str], tokens: Sequence[str] = ()
) -> AsyncIterator[RunningHearth]:
    """Start Hearth for the length of a context and wait until it is warm.

    Args:
        path: ``"lsp"`` or ``"serve"``.
        folder: The workspace.
        sessions: How many type at once. A team server gets as many connections; a language server, which has one
            editor, as many documents.
        arguments: Data directory and configuration.
        tokens: What the editors of a team server sign in with, one each; empty where it has no accounts.
    """
    async with AsyncExitStack() as stack:
        if path == LSP:
            editor = await stack.enter_async_context(open_editor([HEARTH, "lsp", "--no-auto-index", *arguments]))
            editors, metrics_url, process_id = [editor], "", 0
        else:
            url, process_id = await stack.enter_async_context(_team_server(arguments))
            secrets = tokens or [""] * sessions
            editors = [await stack.enter_async_context(connect_editor(url, token=secret)) for secret in secrets]
            metrics_url = f"{url}/metrics"
        for editor in editors:
            await editor.initialize(folder, VSCODE_CAPABILITIES)
            await editor.wait_for_notification("hearth/status", lambda value: value["index"]["state"] == "ready")
        yield RunningHearth(editors, metrics_url, process_id)


@asynccontextmanager
async def _team_server(arguments: Sequence[str]) -> AsyncIterator[tuple[str, int]]:
    process = await asyncio.create_subprocess_exec(
        *(HEARTH, "serve", "--port", "0", *arguments), stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None:
        raise RuntimeError("hearth serve was started without a pipe for its output")
    try:
        async with asyncio.timeout(_START_SECONDS):
            url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise SystemExit(f"hearth serve ended with status {await process.wait()}")
        yield url, process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
