"""Prometheus and nginx out of Debian's packages, in a cache, and processes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext

import aiohttp

from tests.editors.installed import install
from tests.patience import WAIT_SECONDS

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs" / "operations"


def install_services() -> Path:
    """Return the directory of ``prometheus``, ``promtool`` and ``nginx``, installed into the cache when not there."""
    return install("../operations/install_services.sh", "services")


@asynccontextmanager
async def running(*command: str | Path, ready: str, ssl: SSLContext | bool = True) -> AsyncIterator[None]:
    """Run a service until it answers at the URL ``ready``, and for the length of the context.

    Raises:
        AssertionError: It ended by itself.
    """
    process = await asyncio.create_subprocess_exec(*map(str, command))
    try:
        async with asyncio.timeout(WAIT_SECONDS), aiohttp.ClientSession() as client:
            while not await _answers(client, ready, ssl):
                assert process.returncode is None, f"{command[0]} ended with status {process.returncode}"
                await asyncio.sleep(0.1)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(WAIT_SECONDS):
            await process.wait()


async def _answers(client: aiohttp.ClientSession, url: str, ssl: SSLContext | bool) -> bool:
    try:
        async with client.get(url, ssl=ssl) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False
