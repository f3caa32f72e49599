"""The certificate of the server: read again when it changes, for the connections that come after."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from contextlib import suppress
from pathlib import Path

from server.config import TlsConfig
from server.errors import ConfigError
from server.gateway import metrics

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
_SOON_SECONDS = 14 * 86_400.0
_FLIGHTS = 3
"""Turns that each side of a handshake has at most."""


class Certificate:
    """A certificate with its key, in the context that new connections are made with.

    One that is not valid now is used at the start only, when there is no other: no client trusts it, but whoever looks
    for the reason finds a server that says it.

    Args:
        config: Where the two files are.

    Raises:
        ConfigError: They cannot be read, or do not belong together.
    """

    def __init__(self, config: TlsConfig) -> None:
        self._certificate = Path(config.certificate).expanduser()
        self._key = Path(config.key or config.certificate).expanduser()
        self._refusal = ""
        self._warned = ""
        self._used = self._look()
        self.context = self._read()
        self._end, problem = _examine(self.context, self._certificate)
        if problem:
            log.error("the certificate %s is not valid: %s; no client will trust it", self._certificate, problem)
        self._tell_end()

    def reload(self) -> bool:
        """Use the files as they are now; when they cannot be used, go on with what was read before and say so."""
        found = self._look()
        try:
            # Two files that do not belong together would leave the context in use with neither.
            end, problem = _examine(self._read(), self._certificate)
            if problem:
                raise ConfigError(f"the certificate {self._certificate} is not valid: {problem}")
            self.context.load_cert_chain(self._certificate, self._key)
        except (ConfigError, OSError) as error:
            # They are tried again and again, since time alone may make them valid.
            if (refusal := f"{found}: {error}") != self._refusal:
                self._refusal = refusal
                log.error("the certificate was not read again, the one before stays in use: %s", error)
            return False
        self._used, self._end, self._refusal = found, end, ""
        log.info("the certificate was read again")
        self._tell_end()
        return True

    async def watch(self) -> None:
        """Read the files again whenever they changed, and say when the end of what is in use comes near."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if await asyncio.to_thread(self._look) != self._used:
                await asyncio.to_thread(self.reload)
            self._tell_end()

    def _tell_end(self) -> None:
        metrics.CERTIFICATE_EXPIRES.set(self._end)
        left = self._end - time.time()
        warning = "has expired" if left <= 0 else "expires within two weeks" if left <= _SOON_SECONDS else ""
        if warning and warning != self._warned:
            log.warning("the certificate in use %s", warning)
        self._warned = warning

    def _look(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in (self._certificate, self._key))
        except OSError:
            return ()

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._certificate, self._key)
        except OSError as error:
            reason = error.strerror or getattr(error, "reason", "") or str(error)
            raise ConfigError(
                f"the certificate {self._certificate} with the key {self._key} cannot be used: {reason}",
                advice="Check `certificate` and `key` in [server.tls]: two PEM files that belong together.",
            ) from error
        return context


def _examine(context: ssl.SSLContext, certificate: Path) -> tuple[float, str]:
    """Ask the TLS library, as a client that trusts this very certificate, whether it is valid now.

    Returns:
        When it expires, in seconds since the epoch, and what is wrong with it; 0.0 when something is.
    """
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(cafile=certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = trusting.wrap_bio(to_client, to_server)
    try:
        for side in (client, server) * _FLIGHTS:
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        found = client.getpeercert() or {}
        return float(ssl.cert_time_to_seconds(str(found["notAfter"]))), ""
    except ssl.SSLCertVerificationError as error:
        return 0.0, error.verify_message
    except (ssl.SSLError, ValueError, KeyError) as error:
        return 0.0, f"no handshake succeeds with it ({error})"
