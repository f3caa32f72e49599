"""The certificate of the server: read again when it changes, for the connections that come after."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from server.config import TlsConfig
from server.errors import ConfigError
from server.gateway import metrics

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
SOON_SECONDS = 14 * 86_400.0
_FLIGHTS = 3
"""Turns that each side of a handshake has at most."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the TLS library makes of a certificate, as a client that trusts it.

    Attributes:
        expires: Seconds since the epoch; 0.0 when something is wrong.
        problem: What is wrong with it; empty for nothing.
        names: The names and addresses that it is for.
    """

    expires: float
    problem: str = ""
    names: tuple[str, ...] = ()


def examine_certificate(config: TlsConfig, host: str = "") -> Verdict:
    """Look at a certificate with its key: whether a client could use it now, for ``host`` unless that is empty.

    Raises:
        ConfigError: The files cannot be read, or do not belong together.
    """
    certificate, key = _files(config)
    return _examine(_read(certificate, key), certificate, host)


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
        self._certificate, self._key = _files(config)
        self._refusal = ""
        self._warned = ""
        self._used = self._look()
        self.context = _read(self._certificate, self._key)
        verdict = _examine(self.context, self._certificate)
        self._end = verdict.expires
        if verdict.problem:
            log.error(
                "the certificate %s is not valid: %s; no client will trust it", self._certificate, verdict.problem
            )
        self._tell_end()

    def reload(self) -> bool:
        """Use the files as they are now; when they cannot be used, go on with what was read before and say so."""
        found = self._look()
        try:
            # Two files that do not belong together would leave the context in use with neither.
            verdict = _examine(_read(self._certificate, self._key), self._certificate)
            if verdict.problem:
                raise ConfigError(f"the certificate {self._certificate} is not valid: {verdict.problem}")
            self.context.load_cert_chain(self._certificate, self._key)
        except (ConfigError, OSError) as error:
            # They are tried again and again, since time alone may make them valid.
            if (refusal := f"{found}: {error}") != self._refusal:
                self._refusal = refusal
                log.error("the certificate was not read again, the one before stays in use: %s", error)
            return False
        self._used, self._end, self._refusal = found, verdict.expires, ""
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
        warning = "has expired" if left <= 0 else "expires within two weeks" if left <= SOON_SECONDS else ""
        if warning and warning != self._warned:
            log.warning("the certificate in use %s", warning)
        self._warned = warning

    def _look(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in (self._certificate, self._key))
        except OSError:
            return ()


def _files(config: TlsConfig) -> tuple[Path, Path]:
    return Path(config.certificate).expanduser(), Path(config.key or config.certificate).expanduser()


def _read(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        reason = error.strerror or getattr(error, "reason", "") or str(error)
        raise ConfigError(
            f"the certificate {certificate} with the key {key} cannot be used: {reason}",
            advice="Check `certificate` and `key` in [server.tls]: two PEM files that belong together.",
        ) from error
    return context


def _examine(context: ssl.SSLContext, certificate: Path, host: str = "") -> Verdict:
    """Ask the TLS library, as a client that trusts this very certificate, whether it is valid now."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = bool(host)
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(cafile=certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = trusting.wrap_bio(to_client, to_server, server_hostname=host or None)
    try:
        for side in (client, server) * _FLIGHTS:
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        found = client.getpeercert() or {}
        names = tuple(str(entry[1]) for entry in found.get("subjectAltName", ()))
        return Verdict(float(ssl.cert_time_to_seconds(str(found["notAfter"]))), names=names)
    except ssl.SSLCertVerificationError as error:
        return Verdict(0.0, error.verify_message)
    except (ssl.SSLError, ValueError, KeyError) as error:
        return Verdict(0.0, f"no handshake succeeds with it ({error})")
