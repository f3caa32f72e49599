"""The way to the team server: its address, the token, TLS, and what a refusal means."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiohttp

from server.errors import ConfigError, connection_problem
from server.lsp.bridge.kept_token import kept_token_file

Socket = aiohttp.ClientWebSocketResponse[Literal[False]]

_MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_CONNECT_SECONDS = 15.0
_HEARTBEAT_SECONDS = 20.0
_UNKNOWN = 401
_LATER = frozenset({502, 503, 504})


class Unreachable(Exception):
    """There is no connection now; there may be one later."""


class Refused(Exception):
    """The server does not want us; the message is for people.

    ``signing_in_helps`` when another token would be let in and may come, so that it is worth waiting for.
    """

    def __init__(self, message: str, *, signing_in_helps: bool = False) -> None:
        super().__init__(message)
        self.signing_in_helps = signing_in_helps


@dataclass(frozen=True, slots=True)
class Address:
    """Where the team server is, and how to sign in.

    Attributes:
        url: ``https://host[:port]``, up to and without ``/lsp``.
        token_env: Environment variable that holds the token; passed over when it is not set.
        token_file: File that holds the token, read at each connection, so that a new one counts at once. With neither,
            the one that ``hearth sign-in`` keeps for the server is used.
        ca_file: Certificates to trust besides those of the system (PEM).
    """

    url: str
    token_env: str
    token_file: Path | None = None
    ca_file: Path | None = None

    def check(self) -> None:
        """Say what is wrong before anything is sent.

        Raises:
            ConfigError: The URL is not one, or would send the token over the network unencrypted.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
            raise ConfigError(
                f"{self.url!r} is not the address of a team server",
                advice="Use one such as https://hearth.example.com; the token goes into a file or the environment.",
            )
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ConfigError(
                f"{self.url} is not encrypted, and code and the token would travel there in the open",
                advice="Use https://.",
            )

    @property
    def token_may_change(self) -> bool:
        """Whether the token is read from a file, and not from the environment that the process began with."""
        return self.token_file is not None or not os.environ.get(self.token_env, "").strip()

    def token(self) -> str:
        """Return the token; empty when there is none.

        Raises:
            Refused: The file cannot be read.
        """
        if not self.token_may_change:
            return os.environ[self.token_env].strip()
        file = (self.token_file or kept_token_file(self.url)).expanduser()
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            if self.token_file is None and isinstance(error, FileNotFoundError):
                return ""
            reason = getattr(error, "strerror", None) or "it is not text"
            raise Refused(f"the token file {file} cannot be read: {reason}", signing_in_helps=True) from error

    def tls(self) -> ssl.SSLContext:
        """Return what the server's certificate is checked with: the system's store and ``ca_file``.

        Raises:
            ConfigError: ``ca_file`` cannot be used.
        """
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file.expanduser())
            except OSError as error:
                reason = error.strerror or getattr(error, "reason", "") or str(error)
                raise ConfigError(
                    f"{self.ca_file} cannot be used as a CA: {reason}", advice="Give a file with certificates (PEM)."
                ) from error
        return context


class Link:
    """Opens connections to one server, through the proxy that the environment names.

    Args:
        address: Where to.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._tls = address.tls()
        self._shown = ""
        self._client = aiohttp.ClientSession(trust_env=True)

    @property
    def url(self) -> str:
        """The server's address, for people."""
        return self._address.url

    async def connect(self) -> Socket:
        """Open a connection.

        Raises:
            Unreachable: There is none now.
            Refused: The server does not want us.
        """
        token = self._shown = self._address.token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.url.rstrip('/')}/lsp"
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await self._client.ws_connect(
                    url,
                    headers=headers,
                    ssl=self._tls,
                    compress=0,
                    decode_text=False,
                    heartbeat=_HEARTBEAT_SECONDS,
                    max_msg_size=_MAX_MESSAGE_BYTES,
                )
        except aiohttp.ClientConnectorCertificateError as error:
            raise Refused(
                f"the certificate of {self.url} is not trusted ({error.certificate_error}); "
                "name your company's CA with --ca"
            ) from error
        except aiohttp.WSServerHandshakeError as error:
            if error.status in _LATER:
                raise Unreachable(f"{self.url} is not ready") from error
            told = await self._reason(url, headers, error.status)
            raise Refused(told, signing_in_helps=error.status == _UNKNOWN and self._address.token_may_change) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"{self.url} cannot be reached: {connection_problem(error)}".rstrip(": ")) from error

    def has_new_token(self) -> bool:
        """Whether somebody signed in since the last connection was asked for. Reads a small file."""
        try:
            return self._address.token() not in {"", self._shown}
        except Refused:
            return False

    async def close(self) -> None:
        """Close what was opened."""
        await self._client.close()

    async def _reason(self, url: str, headers: dict[str, str], status: int) -> str:
        """Ask again without becoming a WebSocket: that answer can be read."""
        try:
            async with (
                asyncio.timeout(_CONNECT_SECONDS),
                self._client.get(url, headers=headers, ssl=self._tls) as answer,
            ):
                error = (await answer.json())["error"]
                return f"{self.url}: {error['message']} {error['advice']}".rstrip()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError):
            return f"{self.url} answered with HTTP status {status}; is this the address of a Hearth team server?"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
