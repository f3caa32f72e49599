"""The certificate of the server: read again when it changes, for the connections that come after."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from server.config import TlsConfig
from server.errors import ConfigError

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0


class Certificate:
    """A certificate with its key, in the context that new connections are made with.

    Args:
        config: Where the two files are.

    Raises:
        ConfigError: They cannot be read, or do not belong together.
    """

    def __init__(self, config: TlsConfig) -> None:
        self._certificate = Path(config.certificate).expanduser()
        self._key = Path(config.key or config.certificate).expanduser()
        self._state = self._look()
        self.context = self._read()

    def reload(self) -> bool:
        """Use the files as they are now; when they cannot be used, go on with what was read before and say so."""
        try:
            # Two files that do not belong together would leave the context in use with neither.
            self._read()
            self.context.load_cert_chain(self._certificate, self._key)
        except (ConfigError, OSError) as error:
            log.error("the certificate was not read again: %s", error)
            return False
        log.info("the certificate was read again")
        return True

    async def watch(self) -> None:
        """Read the files again whenever they change."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            state = await asyncio.to_thread(self._look)
            if state != self._state:
                self._state = state
                await asyncio.to_thread(self.reload)

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
