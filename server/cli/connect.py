"""``hearth connect``."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

from server.lsp.bridge.bridge import Bridge
from server.lsp.bridge.link import Address, Link
from server.lsp.framing import FramedOutlet, claim_standard_streams, open_reader, open_writer


def connect(url: str, *, token_env: str, token_file: Path | None, ca_file: Path | None) -> int:
    """Carry messages between standard streams and the team server until the editor ends; return the exit code.

    Args:
        url: The server's address.
        token_env: Environment variable that holds the token.
        token_file: File that holds the token instead.
        ca_file: Certificates to trust besides those of the system.

    Raises:
        ConfigError: The address or the certificates cannot be used.
    """
    address = Address(url, token_env, token_file, ca_file)
    address.check()
    return asyncio.run(_run(address))


async def _run(address: Address) -> int:
    link = Link(address)
    stdin, stdout = claim_standard_streams()
    reader, stop_reading = await open_reader(stdin)
    outlet = FramedOutlet(await open_writer(stdout))
    running = asyncio.ensure_future(Bridge(link, reader, outlet).run())
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    status = 1
    try:
        with suppress(asyncio.CancelledError):
            status = await running
    finally:
        stop_reading()
        await link.close()
        await outlet.flush()
    return status
