"""Listens, serves until it is told to stop, and lets what runs come to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web
from aiohttp.log import server_logger as web_logger

from server.config import ServerConfig
from server.errors import ConfigError
from server.gateway.admission import Admission
from server.gateway.crowd import Crowd
from server.gateway.flood import MalformedRequests
from server.gateway.peers import Peers, is_loopback
from server.gateway.sessions import Sessions
from server.gateway.tls import Certificate

log = logging.getLogger(__name__)

_BACKLOG = 512
_STOP_SECONDS = 5.0


def check_address(config: ServerConfig, *, accounts: bool) -> None:
    """Refuse to listen where others could read along, or come in unasked.

    Args:
        config: Where to listen.
        accounts: Whether there is anybody who could sign in.

    Raises:
        ConfigError: The address is not the loopback, and there is no TLS, no proxy or nobody to serve.
    """
    if is_loopback(config.host):
        return
    if not (config.tls.certificate or config.behind_proxy):
        raise ConfigError(
            f"{config.host} can be reached from other machines, and code would travel there unencrypted",
            advice="Name a certificate in [server.tls], or set `behind_proxy = true` if a proxy ends TLS.",
        )
    if not accounts:
        raise ConfigError(
            f"{config.host} can be reached from other machines, and nobody could sign in",
            advice="Add a user and a token first: hearth user add NAME, then hearth token create NAME.",
        )


async def serve_until_signal(
    application: web.Application,
    sessions: Sessions,
    config: ServerConfig,
    *,
    certificate: Certificate | None,
    listening: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the certificate again.

    Args:
        application: The routes.
        sessions: Connected editors.
        config: Where to listen, how many connections to take, how long work may take to end.
        certificate: For TLS; None serves plain HTTP.
        listening: Called with each address once connections are taken.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    work: list[Coroutine[Any, Any, None]] = [sessions.watch()]
    if certificate is not None:
        loop.add_signal_handler(signal.SIGHUP, certificate.reload)
        work.append(certificate.watch())
    web_logger.addFilter(MalformedRequests())
    runner = web.AppRunner(application, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    handlers: Any = runner.server
    context = certificate.context if certificate is not None else None
    crowd = Crowd(config.limits.address_connections, Peers(config.trusted_proxies, behind_proxy=config.behind_proxy))
    admission = Admission(handlers, config.limits, context, crowd)
    tasks = [asyncio.create_task(item) for item in work]
    try:
        server = await _listen(config, admission)
        scheme = "https" if certificate is not None else "http"
        for listener in server.sockets:
            listening(f"{scheme}://{_spelled(listener)}")
        await stop.wait()
        log.info("stopping")
        server.close()
        await sessions.drain(config.drain_seconds)
    finally:
        admission.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()


async def _listen(config: ServerConfig, admission: Admission) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(admission, config.host, config.port, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {config.host} port {config.port}: {error.strerror or error}",
            advice="Is another server running there? `[server] host` and `port` choose the address.",
        ) from error


def _spelled(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if listener.family is socket.AF_INET6 else f"{host}:{port}"
