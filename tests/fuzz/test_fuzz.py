"""Whatever comes over the wire, a session answers what follows, and nothing unforeseen happens in the server.

Here for some seconds; ``python -m tests.fuzz`` goes on for as long as it is told.
"""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.messages import MANY, streams
from tests.fuzz.sessions import examine, read_stream, standard_streams, web_socket
from tests.server.gateway.conftest import indexed

__all__ = ["indexed"]

EXAMPLES = 60


async def test_a_team_server_bears_any_message(indexed: Path) -> None:
    async with web_socket(indexed) as send:
        await examine(send, MANY, EXAMPLES)


async def test_a_language_server_bears_any_message(tmp_path: Path) -> None:
    async with standard_streams(tmp_path) as send:
        await examine(send, MANY, EXAMPLES)


async def test_any_bytes_on_standard_input_end_a_session_in_order(tmp_path: Path) -> None:
    await examine(lambda data: read_stream(data, tmp_path / "data"), streams(), EXAMPLES)
