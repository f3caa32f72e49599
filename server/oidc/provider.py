"""The provider itself, over HTTP: where its parts are, its keys, and what it gives for a code."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp

from indexer.credentials import read_secret
from indexer.errors import CredentialMissing
from server.config import OidcConfig
from server.config.oidc import is_safe_url
from server.errors import ConfigError, IdentityRefused, ProviderUnavailable, connection_problem
from server.oidc import verification
from server.oidc.attempt import Attempt
from server.oidc.identity import lacks

log = logging.getLogger(__name__)

FRESH_SECONDS = 3600.0
AGAIN_SECONDS = 5.0
_MOST_BYTES = 512 * 1024
_CONNECTIONS = 16
_WELL_KNOWN = "/.well-known/openid-configuration"
_OK = 200
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the provider says of itself."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    algorithms: frozenset[str]
    secret_in_header: bool
    read: float


class Provider:
    """One provider. Nothing is asked of it before it is needed.

    Args:
        config: Who it is, and how it knows us.
        redirect_uri: Where it sends browsers back to.
        clock: Seconds that only grow.

    Raises:
        ConfigError: Its certificates cannot be read, or it is not told enough.
        CredentialMissing: The secret is not where the settings say.
    """

    def __init__(self, config: OidcConfig, redirect_uri: str, clock: Callable[[], float] = time.monotonic) -> None:
        if not config.client_id:
            raise ConfigError("[server.oidc] has no `client_id`", advice="It is the name under which you registered.")
        self._config = config
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._tls = _tls(config.ca_file)
        self._client: aiohttp.ClientSession | None = None
        self._endpoints: Endpoints | None = None
        self._keys: Sequence[Mapping[str, Any]] = ()
        self._keys_read = -FRESH_SECONDS
        self._asking = asyncio.Lock()
        self._failed = (-AGAIN_SECONDS, "")
        if config.client_secret:
            read_secret(config.client_secret)

    @property
    def problem(self) -> str:
        """Why it could not be asked last time; empty when it could."""
        return self._failed[1]

    async def close(self) -> None:
        """Close connections. Idempotent."""
        if self._client is not None:
            await self._client.close()

    async def check(self) -> None:
        """Ask whether it is there, and is who the settings say.

        Raises:
            ProviderUnavailable: It is not.
        """
        await self._discovered(AGAIN_SECONDS)

    async def watch(self) -> None:
        """Say once at the start when it is not there; it is asked again whenever somebody signs in."""
        try:
            await self.check()
        except ProviderUnavailable as error:
            log.error("nobody can sign in with %s now: %s", self._config.title, error)

    async def authorization_url(self, attempt: Attempt) -> str:
        """Return where a browser signs in.

        Raises:
            ProviderUnavailable: The provider cannot be asked.
        """
        # Whether it is there is asked anew: a browser that is sent to nobody shows an error of its own.
        endpoints = await self._discovered(AGAIN_SECONDS)
        query = {
            "response_type": "code",
            "client_id": self._config.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self._config.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoints.authorization}{'&' if '?' in endpoints.authorization else '?'}{urlencode(query)}"

    async def redeem(self, code: str, attempt: Attempt) -> dict[str, Any]:
        """Return the claims of whoever came back with a code.

        Raises:
            ProviderUnavailable: The provider cannot be asked, or not in time.
            IdentityRefused: It does not take the code, or what it says cannot be believed.
        """
        try:
            async with asyncio.timeout(self._config.answer_seconds):
                return await self._redeem(code, attempt)
        except TimeoutError as error:
            raise self._unavailable("it does not answer in time") from error

    async def _redeem(self, code: str, attempt: Attempt) -> dict[str, Any]:
        endpoints = await self._discovered()
        given = await self._tokens(endpoints, code, attempt)
        token, access_token = given.get("id_token"), given.get("access_token", "")
        if not isinstance(token, str) or not isinstance(access_token, str):
            raise self._unavailable("it gave no ID token")
        expected = verification.Expected(
            self._config.issuer,
            self._config.client_id,
            attempt.nonce,
            endpoints.algorithms,
            self._config.leeway_seconds,
        )
        keys = await self._keys_for(endpoints, verification.key_id(token))
        claims = verification.verify(token, keys, expected, access_token)
        if lacks(claims, self._config) and endpoints.userinfo and access_token:
            claims = await self._more(endpoints, claims, access_token)
        self._failed = (self._clock(), "")
        return claims

    async def _tokens(self, endpoints: Endpoints, code: str, attempt: Attempt) -> dict[str, Any]:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": attempt.verifier,
            "client_id": self._config.client_id,
        }
        headers = {}
        if self._config.client_secret:
            # Read anew, so that it can be changed without a restart.
            try:
                secret = await asyncio.to_thread(read_secret, self._config.client_secret)
            except CredentialMissing as error:
                log.error("nobody can sign in: %s", error)
                raise self._unavailable("this server has lost the secret for it") from error
            if endpoints.secret_in_header:
                pair = f"{quote_plus(self._config.client_id)}:{quote_plus(secret)}"
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                fields["client_secret"] = secret
        status, given = await self._ask("POST", endpoints.token, headers, fields)
        if status != _OK:
            reason = str(given.get("error", status))[:100]
            log.error("the provider gave no tokens: %r", reason)
            raise IdentityRefused(
                "the provider did not say who you are",
                advice="Try again. If that does not help, the server's log says why.",
            )
        return given

    async def _keys_for(self, endpoints: Endpoints, key_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the provider's keys; read anew when they are old, or the one that is wanted is not among them."""
        async with self._asking:
            age = self._clock() - self._keys_read
            known = not key_id or any(key.get("kid") == key_id for key in self._keys)
            if age >= FRESH_SECONDS or (not known and age >= AGAIN_SECONDS):
                status, found = await self._ask("GET", endpoints.keys)
                keys = found.get("keys")
                if status != _OK or not isinstance(keys, list):
                    raise self._unavailable("it does not tell its keys")
                self._keys, self._keys_read = [key for key in keys if isinstance(key, dict)], self._clock()
            return self._keys

    async def _more(self, endpoints: Endpoints, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
        """Add what the provider says only when it is asked; of the same person, and nothing that contradicts."""
        status, more = await self._ask("GET", endpoints.userinfo, {"Authorization": f"Bearer {access_token}"})
        if status != _OK or more.get("sub") != claims["sub"]:
            raise self._unavailable("it does not tell of you what it was asked for")
        return more | claims

    async def _discovered(self, fresh: float = FRESH_SECONDS) -> Endpoints:
        """Return where its parts are; many who ask at once are one question, and a failure is one for seconds."""
        async with self._asking:
            known, now = self._endpoints, self._clock()
            if known is not None and now - known.read < fresh:
                return known
            if self._failed[1] and now - self._failed[0] < AGAIN_SECONDS:
                raise self._unavailable(self._failed[1], new=False)
            try:
                async with asyncio.timeout(self._config.answer_seconds):
                    status, found = await self._ask("GET", f"{self._config.issuer.rstrip('/')}{_WELL_KNOWN}")
            except TimeoutError as error:
                raise self._unavailable("it does not answer in time") from error
            if status != _OK:
                raise self._unavailable(f"it answers with HTTP status {status}")
            self._endpoints = self._read(found)
            self._failed = (now, "")
            return self._endpoints

    def _read(self, found: Mapping[str, Any]) -> Endpoints:
        if found.get("issuer") != self._config.issuer:
            raise self._unavailable(f"it calls itself {str(found.get('issuer'))[:200]!r}; `issuer` has to say the same")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
        urls = [str(found.get(name, "")) for name in names]
        if not all(is_safe_url(url) for url in urls[:3]) or (urls[3] and not is_safe_url(urls[3])):
            raise self._unavailable("it names no usable addresses of its parts")
        listed = found.get("id_token_signing_alg_values_supported")
        algorithms = verification.ALGORITHMS.intersection(map(str, listed if isinstance(listed, list) else ["RS256"]))
        methods = found.get("token_endpoint_auth_methods_supported")
        in_header = not isinstance(methods, list) or "client_secret_basic" in methods
        return Endpoints(urls[0], urls[1], urls[2], urls[3], algorithms, in_header, self._clock())

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, fields: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON object that an address answers with; empty when it is none."""
        if self._client is None:
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=_CONNECTIONS)
            self._client = aiohttp.ClientSession(connector=connector, trust_env=True)
        try:
            async with self._client.request(
                method,
                url,
                headers={"Accept": "application/json", **(headers or {})},
                data=fields,
                allow_redirects=False,
            ) as answer:
                body = b""
                async for part in answer.content.iter_chunked(1 << 16):
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise self._unavailable("it answers with more than anybody would")
                if answer.status >= _SERVER_ERROR:
                    raise self._unavailable(f"it answers with HTTP status {answer.status}")
                return answer.status, _object(body)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise self._unavailable(f"it cannot be reached: {connection_problem(error)}") from error

    def _unavailable(self, reason: str, *, new: bool = True) -> ProviderUnavailable:
        if new:
            self._failed = (self._clock(), reason)
        return ProviderUnavailable(
            f"the provider {self._config.issuer} is not available: {reason}",
            advice="Try again later, or sign in with a token.",
        )


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tls(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(Path(ca_file).expanduser())
        except OSError as error:
            reason = error.strerror or getattr(error, "reason", "") or str(error)
            raise ConfigError(
                f"[server.oidc] ca_file: {ca_file} cannot be used: {reason}",
                advice="Give a file with certificates (PEM).",
            ) from error
    return context
