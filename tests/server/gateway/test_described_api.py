"""The whole API against its own description: whatever is asked, the answer is one that is described."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from server.accounts import Accounts, TokenScope
from tests.server.gateway.team import team_server

EXAMPLES = os.environ.get("HEARTH_API_EXAMPLES", "8")
ASK = (
    *(sys.executable, "-m", "schemathesis.cli", "run", "--seed", "1", "--continue-on-failure", "--no-color"),
    # Which of the well-formed sources, patterns and names are welcome is no matter of form.
    *("--exclude-checks", "positive_data_acceptance", "--max-examples", EXAMPLES),
)


async def test_whatever_is_asked_is_answered_as_described(data: Path, tmp_path: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["shoppers"])
        accounts.add_to_group("shoppers", repositories=["shop"])
        _, secret = accounts.add_token("ana", set(TokenScope))
    async with team_server(data, "[server.limits]\nsearches = 0\n") as team:
        process = await asyncio.create_subprocess_exec(
            *ASK,
            *("--header", f"Authorization:Bearer {secret}", f"{team.url}/api/v1/openapi.json"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
