"""Listens, serves until it is told to stop, and lets what runs come to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

from aiohttp import web

from server.gateway.sessions import Sessions

log = logging.getLogger(__name__)


async def serve_until_signal(
    application: web.Application,
    sessions: Sessions,
    *,
    host: str,
    port: int,
    listening: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        application: The routes.
        sessions: Connected editors.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        listening: Called with the address once connections are taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        for address in runner.addresses:
            listening(f"http://{address[0]}:{address[1]}")
        await stop.wait()
    finally:
        sessions.close_all("the server restarts")
        await runner.cleanup()
