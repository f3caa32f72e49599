"""What the team server logs, as lines of JSON and for people, and what it does when it cannot."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.accounts import Accounts
from server.accounts.tokens import EDITOR_SCOPES
from server.cli.logs import start_service_log
from server.config import LogConfig
from server.correlation import REQUEST_ID, SESSION
from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import HEARTH, TeamServer, team_editor


@pytest.fixture
def written() -> StringIO:
    """What is logged."""
    return StringIO()


def lines(written: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_says_who_and_for_which_request(written: StringIO) -> None:
    start_service_log(LogConfig(format="json"), logging.StreamHandler(written))
    logging.getLogger("server.some").info("nobody's\nline")
    request, session = REQUEST_ID.set("r-1"), SESSION.set(("ana", "s-1"))
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("server.other").exception("it failed: %s", "why")
    finally:
        REQUEST_ID.reset(request)
        SESSION.reset(session)
    first, second = lines(written)
    assert first.keys() == {"time", "level", "logger", "message", "process"}
    assert (first["level"], first["logger"], first["message"]) == ("info", "server.some", "nobody's\nline")
    assert (second["user"], second["session"], second["request"]) == ("ana", "s-1", "r-1")
    assert second["error"] == "ValueError"
    assert "test_logs.py" in second["traceback"]


def test_for_people_it_is_one_line_with_the_request(written: StringIO) -> None:
    start_service_log(LogConfig(), logging.StreamHandler(written))
    token = REQUEST_ID.set("r-2")
    logging.getLogger("server.some").warning("two\nlines")
    REQUEST_ID.reset(token)
    (line,) = written.getvalue().splitlines()
    assert "WARNING server.some: [r-2] two" in line


async def test_the_server_logs_json_and_no_token(data: Path, tmp_path: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["backend"])
        _, token = accounts.add_token("ana", EDITOR_SCOPES)
    log = tmp_path / "log"
    with log.open("wb") as stream:
        await serve_an_editor(data, tmp_path, stream.fileno(), token)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert any(entry.get("user") == "ana" and entry.get("session") for entry in entries), entries
    assert token not in log.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here is always full")
async def test_a_full_disk_under_the_log_hurts_nobody(data: Path, tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        await serve_an_editor(data, tmp_path, full, "")
    finally:
        os.close(full)


async def serve_an_editor(data: Path, folder: Path, log: int, token: str) -> None:
    """Run a server that logs everything it can to ``log``; an editor works with it, and it ends as it should."""
    config = folder / "hearth.toml"
    config.write_text('[log]\nformat = "json"\nlevel = "debug"\n')
    # As services start it: lines that could not be written are tried again at its end.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = await asyncio.create_subprocess_exec(
        *HEARTH, "serve", "--port", "0", "--data", str(data), "--config", str(config),
        stdout=asyncio.subprocess.PIPE, stderr=log, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_SECONDS):
        team = TeamServer((await process.stdout.readline()).decode().strip(), process, Path(os.devnull))
    try:
        async with team_editor(team, token=token) as editor:
            uri = "file:///home/somebody/elsewhere/shop/shop/orders.py"
            editor.open(uri, "python", "def total(prices):\n    ")
            await editor.complete(uri, 1, 4, automatic=False)
        async with aiohttp.ClientSession(team.url) as client, client.get("/healthz") as answer:
            assert answer.status == 200
    finally:
        assert await team.stop() == 0
