"""What an editor tells the server of suggestions, as it arrives there."""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path
from typing import Any

from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import HEARTH


def listen(program: Path) -> Path:
    """Make ``program`` a Hearth that keeps what an editor sends it, and return the file."""
    heard = program.with_name("heard")
    program.write_text(f'#!/bin/sh\ntee {shlex.quote(str(heard))} | {shlex.join(HEARTH)} "$@"\n')
    program.chmod(0o755)
    return heard


async def messages_up_to(heard: Path, method: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until the editor has sent this so often, and return all that it sent so far."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            messages = parse(await asyncio.to_thread(heard.read_bytes))
            if sum(message.get("method") == method for message in messages) >= count:
                return messages
            await asyncio.sleep(0.05)


def parse(sent: bytes) -> list[dict[str, Any]]:
    """Return the whole messages of a stream."""
    messages = []
    while (header := sent.partition(b"\r\n\r\n"))[1]:
        length = int(header[0].lower().partition(b"content-length:")[2].split()[0])
        body, sent = header[2][:length], header[2][length:]
        if len(body) < length:
            break
        messages.append(json.loads(body))
    return messages


def outcomes(messages: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return what was said of suggestions: its name, and the values that came with it."""
    said = []
    for message in messages:
        name, values = message.get("method", ""), message.get("params", {})
        if name == "workspace/executeCommand" and values["command"] == "hearth.accepted":
            [accepted] = values["arguments"]
            said.append(("hearth.accepted", {"id": accepted}))
        elif name.startswith("hearth/did") and name.endswith("Completion"):
            said.append((name, values))
    return said
